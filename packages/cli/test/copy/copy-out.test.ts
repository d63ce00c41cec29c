import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { CopyBudget, defaultCopyLimits } from "../../src/copy/budget.js";
import { type CopyOut, copyOut } from "../../src/copy/copy-out.js";
import { destination } from "../../src/copy/destination.js";
import { MemoryGuest, type Made } from "./memory-guest.js";

let base = "";
let outside = "";
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "mvmctl-cp-"));
  outside = join(base, "outside");
  mkdirSync(outside);
  mkdirSync(join(base, "work"));
  writeFileSync(join(outside, "canary"), "alive");
});

function intact(): void {
  expect(readdirSync(outside)).toEqual(["canary"]);
  expect(readFileSync(join(outside, "canary"), "utf8")).toBe("alive");
}

async function copy(root: Made, to = join(base, "work", "out"), over: Partial<CopyOut> = {}) {
  const guest = new MemoryGuest(root);
  using place = destination(to, "tree");
  const shared: CopyOut = {
    guest,
    budget: new CopyBudget(defaultCopyLimits),
    signal: new AbortController().signal,
    umask: 0o022,
    ...over,
  };
  return await copyOut("", MemoryGuest.entry({ ...root, name: "tree" }), place, shared);
}

const directory = (...children: Made[]): Made => ({ type: "directory", children });

test("copies content, permissions and times, and drops setuid and what the umask forbids", async () => {
  const summary = await copy(
    directory(
      { name: "a", type: "file", content: "hello", mode: 0o4777 },
      { name: "d", type: "directory", children: [{ name: "b", type: "file", content: "" }] },
    ),
  );
  expect(summary).toMatchObject({ files: 2, directories: 2, skipped: [] });
  const stat = lstatSync(join(base, "work/out/a"));
  expect([stat.mode & 0o7777, stat.mtimeMs, readFileSync(join(base, "work/out/a"), "utf8")]).toEqual([
    0o755,
    1_700_000_000_000,
    "hello",
  ]);
  expect(readdirSync(join(base, "work"))).toEqual(["out"]);
});

describe("a hostile guest", () => {
  test.each(["../outside/x", "..", ".", "", "/etc/x", "a/b", "a\0b", "x".repeat(256)])(
    "name %j is refused and leaves nothing",
    async (name) => {
      await expect(
        copy(directory({ name: "ok", type: "file", content: "1" }, { name, type: "file", content: "evil" })),
      ).rejects.toThrow(/entry named/);
      expect(readdirSync(join(base, "work"))).toEqual([]);
      intact();
    },
  );

  test.each([
    [
      { name: "l", type: "symlink", target: "../../outside" },
      { name: "l", type: "directory", children: [{ name: "x", type: "file", content: "evil" }] },
    ],
    [
      { name: "l", type: "symlink", target: "d" },
      { name: "l", type: "file", content: "evil" },
    ],
    [
      { name: "f", type: "file", content: "1" },
      { name: "f", type: "file", content: "2" },
    ],
    [
      { name: "d", type: "directory" },
      { name: "d", type: "directory" },
    ],
  ] as const)("two entries of one name are refused: %j", async (...children) => {
    const skipsFirst = children[0].type === "symlink" && children[0].target.startsWith("..");
    const copied = copy(directory({ name: "d0", type: "directory" }, ...(children as unknown as Made[])));
    if (skipsFirst) await copied;
    else await expect(copied).rejects.toThrow(/two entries/);
    intact();
  });

  test("links that leave the tree, devices, FIFOs, sockets and names that are not UTF-8 are left out and reported", async () => {
    const out = (target: string, index: number): Made => ({ name: `out${index}`, type: "symlink", target });
    const targets = ["/etc/passwd", "..", "../x", "d/../../x", "", "d/..", `${"../".repeat(1)}tree`];
    const summary = await copy(
      directory(
        { name: "in", type: "symlink", target: "d/file" },
        {
          name: "d",
          type: "directory",
          children: [
            { name: "up", type: "symlink", target: "../in" },
            { name: "far", type: "symlink", target: "../../in" },
          ],
        },
        ...targets.map(out),
        { name: "fifo", type: "fifo" },
        { name: "socket", type: "socket" },
        { name: "device", type: "device" },
        { type: "file", content: "x" },
      ),
    );
    expect(summary.links).toBe(2);
    expect(summary.skipped.length).toBe(targets.length + 1 + 4);
    expect(readlinkSync(join(base, "work/out/in"))).toBe("d/file");
    expect(readdirSync(join(base, "work/out")).sort()).toEqual(["d", "in"]);
  });

  test("a source that is itself a link is left out", async () => {
    expect((await copy({ type: "symlink", target: "x" }).catch((error: Error) => error)) as Error).toBeDefined();
    intact();
  });

  test("endless content ends at the limit and leaves nothing", async () => {
    const endless = (async function* () {
      for (;;) yield Buffer.alloc(65536);
    })();
    const budget = new CopyBudget({ ...defaultCopyLimits, bytes: 10_000_000 });
    await expect(
      copy(directory({ name: "zeros", type: "file", content: endless }), undefined, { budget }),
    ).rejects.toMatchObject({ code: "POLICY_LIMIT", rule: "copy.limit.bytes" });
    expect(readdirSync(join(base, "work"))).toEqual([]);
  });

  test("endless entries and endless depth end at their limits and leave nothing", async () => {
    const guest = new MemoryGuest();
    guest.list = async function* () {
      for (let i = 0; ; i++) yield MemoryGuest.entry({ name: `f${i}`, type: "file", content: "" });
    };
    const budget = new CopyBudget({ ...defaultCopyLimits, entries: 500 });
    await expect(copy(directory(), undefined, { guest, budget })).rejects.toMatchObject({ rule: "copy.limit.entries" });
    guest.list = async function* () {
      yield MemoryGuest.entry({ name: "d", type: "directory" });
    };
    await expect(copy(directory(), undefined, { guest })).rejects.toMatchObject({ rule: "copy.limit.depth" });
    expect(readdirSync(join(base, "work"))).toEqual([]);
  });

  test("random trees never touch anything outside of the destination", async () => {
    const seed = Date.now() & 0x7fffffff;
    console.log(`seed=${seed}`);
    const name = fc.oneof(
      fc.constantFrom("a", "b", "c", "A"),
      fc.constantFrom("..", ".", "../outside", "/tmp/x", "a/../../outside/x", ""),
    );
    const target = fc.constantFrom(
      "../../outside",
      "../outside/canary",
      "a",
      "../a",
      "/etc/passwd",
      "b/../../..",
      "..",
    );
    const { tree } = fc.letrec<{ tree: Made; entry: Made }>((tie) => ({
      tree: fc.record({ type: fc.constant("directory" as const), children: fc.array(tie("entry"), { maxLength: 4 }) }),
      entry: fc.oneof(
        { depthSize: "small" },
        fc.record({ name, type: fc.constant("file" as const), content: fc.constant("evil") }),
        fc.record({ name, type: fc.constant("symlink" as const), target }),
        fc.record({
          name,
          type: fc.constant("directory" as const),
          children: fc.array(tie("entry"), { maxLength: 3 }),
        }),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(tree, async (root) => {
        await copy(root).catch(() => undefined);
        intact();
        for (const left of readdirSync(join(base, "work"))) expect(left).toBe("out");
      }),
      { seed, interruptAfterTimeLimit: 3000, numRuns: 100_000, markInterruptAsFailure: false },
    );
  });
});

describe("the destination", () => {
  test.each(["link", "link/x"])("%s through a planted link is refused", async (path) => {
    symlinkSync(outside, join(base, "work", "link"));
    await expect((async () => copy(directory(), join(base, "work", path)))()).rejects.toMatchObject({
      code: "FILE_DENIED",
      rule: "copy.symlink",
    });
    intact();
  });

  test("a link planted within the directory to merge into is refused before anything is moved", async () => {
    mkdirSync(join(base, "work/out/tree"), { recursive: true });
    symlinkSync(outside, join(base, "work/out/tree/z"));
    const root = directory(
      { name: "a", type: "file", content: "1" },
      { name: "z", type: "directory", children: [{ name: "x", type: "file", content: "evil" }] },
    );
    await expect(copy(root)).rejects.toMatchObject({ rule: "copy.symlink" });
    expect(readdirSync(join(base, "work/out/tree"))).toEqual(["z"]);
    expect(readdirSync(join(base, "work/out"))).toEqual(["tree"]);
    intact();
  });

  test("an existing tree is merged and its files are replaced as a whole", async () => {
    mkdirSync(join(base, "work/out/tree/d"), { recursive: true });
    writeFileSync(join(base, "work/out/tree/d/old"), "old");
    writeFileSync(join(base, "work/out/tree/a"), "old");
    await copy(
      directory(
        { name: "a", type: "file", content: "new" },
        { name: "d", type: "directory", children: [{ name: "b", type: "file", content: "b" }] },
      ),
    );
    expect(readFileSync(join(base, "work/out/tree/a"), "utf8")).toBe("new");
    expect(readdirSync(join(base, "work/out/tree/d"))).toEqual(["b", "old"]);
  });

  test("a directory is not put in place of a file", async () => {
    writeFileSync(join(base, "work/out"), "file");
    await expect(copy(directory())).rejects.toThrow(/Cannot replace/);
  });

  test("cancelling leaves nothing", async () => {
    const controller = new AbortController();
    const content = (async function* () {
      yield Buffer.from("x");
      controller.abort(new Error("stop"));
      yield Buffer.from("y");
    })();
    const root = directory({ name: "a", type: "file", content }, { name: "b", type: "file", content: "b" });
    await expect(copy(root, undefined, { signal: controller.signal })).rejects.toThrow("stop");
    expect(existsSync(join(base, "work/out"))).toBe(false);
    expect(readdirSync(join(base, "work"))).toEqual([]);
  });
});
