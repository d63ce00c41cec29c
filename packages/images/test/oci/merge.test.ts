import fc from "fast-check";
import { expect, it } from "vitest";
import { isSandboxError } from "@mvm/protocol/errors";
import { bytesOf } from "../../src/oci/byte-source.js";
import { LayerMerger } from "../../src/oci/merge.js";
import type { Directory } from "../../src/oci/tree.js";
import { type Entry, tar } from "./make-image.js";

async function merge(...layers: Entry[][]): Promise<LayerMerger> {
  const merger = new LayerMerger();
  for (const layer of layers) await merger.add(bytesOf(tar(layer)), "layer");
  return merger;
}

/** Every path with what is there: content, `-> target`, or `/`. */
async function listing({ root }: LayerMerger): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const walk = async (directory: Directory, prefix: string): Promise<void> => {
    for (const [name, { node }] of directory.children) {
      const path = prefix + name;
      if (node.type === "directory") {
        found[path] = "/";
        await walk(node, `${path}/`);
      } else if (node.type === "symlink") found[path] = `-> ${node.target}`;
      else found[path] = node.type === "file" ? (await node.content.read(0, node.content.size)).toString() : node.type;
    }
  };
  await walk(root, "");
  return found;
}

const f = (path: string, body = path): Entry => ({ path, body });
const d = (path: string): Entry => ({ path, type: "5", mode: 0o755 });
const link = (path: string, target: string): Entry => ({ path, type: "2", link: target });
const hard = (path: string, target: string): Entry => ({ path, type: "1", link: target });

it("whiteouts take away what lower layers gave, and nothing of their own layer", async () => {
  const merged = await merge(
    [d("a"), f("a/x"), f("a/y"), d("b"), f("b/old"), f("c")],
    [f("a/.wh.x", ""), f("b/new"), f("b/.wh..wh..opq", ""), f(".wh.c", ""), f("c", "again"), f(".wh.never", "")],
  );
  expect(await listing(merged)).toEqual({ a: "/", "a/y": "a/y", b: "/", "b/new": "b/new", c: "again" });
});

it("a removed directory goes whole, one made again in the same layer starts empty", async () => {
  const merged = await merge([d("a"), d("a/b"), f("a/b/c")], [d("a"), f(".wh.a", ""), f("a/new")]);
  expect(await listing(merged)).toEqual({ a: "/", "a/new": "a/new" });
});

it("hard links share a file until a layer replaces one of their names", async () => {
  const merged = await merge([f("one", "1"), hard("two", "one"), hard("three", "/one")], [f("one", "2")]);
  expect(await listing(merged)).toEqual({ one: "2", two: "1", three: "1" });
  const { children } = merged.root;
  expect(children.get("two")!.node).toBe(children.get("three")!.node);
});

it("V-03: a link of one layer that the next writes through stays inside of the tree", async () => {
  const merged = await merge(
    [link("out", "/etc"), link("up", "../../../victim"), link("loop", "loop")],
    [f("out/shadow", "own"), f("up/x", "x"), f("out/.wh.nothing", "")],
  );
  expect(await listing(merged)).toMatchObject({ "etc/shadow": "own", "victim/x": "x", out: "-> /etc" });
});

it("V-03: hostile entries are refused with an error that names them", async () => {
  const hostile: [string, Entry[]][] = [
    ["..", [f("../victim")]],
    ["..", [f("a/../../victim")]],
    ["hard link to nothing", [hard("x", "/etc/shadow-of-the-host")]],
    ["..", [hard("x", "../../etc/shadow")]],
    ["removes no name", [f(".wh.", "")]],
    ["removes no name", [f(".wh..", "")]],
    ["removes no name", [f(".wh...", "")]],
    ["root directory", [link("./", "/etc")]],
    ["root directory", [f(".")]],
    ["too many links", [link("loop", "loop"), f("loop/x")]],
    ["no directory", [f("a"), f("a/b")]],
    ["hard link to a directory", [d("a"), hard("x", "a")]],
    ["too long", [f("n".repeat(256))]],
    ["too long", [f("d/".repeat(3000) + "x")]],
    ["target", [link("x", "")]],
    ["deeper", [d("a/".repeat(600))]],
    ["unknown kind", [{ path: "s", type: "S" }]],
    ["longer than the archive", [{ path: "s", size: 2 ** 32 }]],
  ];
  for (const [why, entries] of hostile) {
    await expect(merge(entries), JSON.stringify(entries).slice(0, 80)).rejects.toMatchObject({
      code: "BUILD_FAILED",
      message: expect.stringContaining(why) as string,
    });
  }
});

it("H-05: devices are dropped, setuid bits and file capabilities are counted, other attributes are dropped", async () => {
  const capability = Buffer.from("0100000202ff8000000000000000000000000000", "hex");
  const merged = await merge([
    { path: "dev/sda", type: "4" },
    { path: "null", type: "3" },
    { path: "su", mode: 0o4755 },
    hard("su2", "su"),
    { path: "ping", xattrs: { "security.capability": capability, "user.note": Buffer.from([0, 255]) } },
    { path: "t", xattrs: { "trusted.overlay.opaque": Buffer.from("y"), "security.selinux": Buffer.from("x") } },
  ]);
  expect(merged.counts()).toMatchObject({ devicesDropped: 2, xattrsDropped: 2, setuid: 1, capabilities: 1 });
  expect(Object.keys(await listing(merged))).toEqual(["dev", "su", "su2", "ping", "t"]);
  expect(merged.root.children.get("ping")!.node.xattrs.get("security.capability")).toEqual(capability);
});

it("more entries than allowed are refused, directories that no entry names included", async () => {
  const few = new LayerMerger({ bytes: 2 ** 30, entries: 100, layers: 2 });
  await expect(few.add(bytesOf(tar([f("d/".repeat(200) + "x")])), "layer")).rejects.toMatchObject({
    code: "BUILD_FAILED",
  });
});

it("V-03: any bytes make a tree or a typed error", { timeout: 60_000 }, async () => {
  const name = fc.constantFrom("a", "b", "..", ".", ".wh.a", ".wh..wh..opq", ".wh.", "x".repeat(130), "é");
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
  const entry = fc.record({ path, type: fc.constantFrom("0", "1", "2", "3", "5", "6", "7", "S", "Z"), link: path });
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.array(entry, { maxLength: 12 }), flips), { maxLength: 3 }),
      async (layers) => {
        const merger = new LayerMerger();
        try {
          for (const [entries, changes] of layers) {
            const bytes = tar(entries);
            for (const [at, value] of changes) bytes[at % bytes.length] = value;
            await merger.add(bytesOf(bytes), "layer");
          }
        } catch (error) {
          if (!isSandboxError(error)) throw error;
        }
        merger.counts();
        const names = Object.keys(await listing(merger)).flatMap((found) => found.split("/"));
        expect(names.filter((part) => part === "" || part === "." || part === "..")).toEqual([]);
      },
    ),
    { numRuns: 3_000 },
  );
});
