import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { checkErofs } from "../../src/erofs.js";
import { bytesOf } from "../../src/oci/byte-source.js";
import { LayerMerger } from "../../src/oci/merge.js";
import { writeErofs } from "../../src/oci/write-erofs.js";
import { type Entry, sha256, tar } from "./make-image.js";

const directory = mkdtempSync(join(tmpdir(), "mvm-erofs-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Sizes around the borders of blocks and of inodes with their tails. */
const sizes = [0, 1, 511, 4000, 4031, 4032, 4033, 4095, 4096, 4097, 8191, 8192, 70_000];
const content = (size: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, at) => (at * 7 + size) & 255));
const entries: Entry[] = [
  ...sizes.map((size) => ({ path: `sizes/${size}`, body: content(size), uid: 1234, gid: 5678, mode: 0o640 })),
  ...Array.from({ length: 700 }, (_, at) => ({ path: `many/${"n".repeat(at % 40)}${at}`, body: `${at}` })),
  { path: "!first" },
  { path: "link", type: "2", link: "sizes/1" },
  { path: "hard", type: "1", link: "sizes/4097" },
  { path: "pipe", type: "6" },
  { path: "su", mode: 0o4755, body: "x" },
  { path: "caps", xattrs: { "user.binary": Buffer.from([0, 1, 255, 254]) }, body: content(4096 - 64 + 10) },
];

async function write(name: string, list: Entry[]): Promise<string> {
  const merger = new LayerMerger();
  await merger.add(bytesOf(tar(list)), "layer");
  const path = join(directory, name);
  await writeErofs(merger.root, path);
  return path;
}

it("an image that the format's own checker reads back file by file", async () => {
  const image = await write("root.erofs", entries);
  await checkErofs(image);
  const out = join(directory, "out");
  execFileSync("fsck.erofs", [`--extract=${out}`, image], { stdio: "pipe" });
  for (const size of sizes)
    expect(readFileSync(join(out, "sizes", `${size}`)).equals(content(size)), `${size}`).toBe(true);
  for (const at of [0, 39, 40, 355, 699]) {
    expect(readFileSync(join(out, "many", `${"n".repeat(at % 40)}${at}`), "utf8")).toBe(`${at}`);
  }
  expect(readFileSync(join(out, "link")).equals(content(1))).toBe(true);
  expect(readFileSync(join(out, "hard")).equals(content(4097))).toBe(true);
});

it("the same tree gives the same bytes, in whatever order its entries came", async () => {
  const one = readFileSync(await write("one.erofs", entries));
  const links = entries.filter(({ type }) => type === "1");
  const other = readFileSync(await write("two.erofs", [...entries.filter((e) => e.type !== "1").reverse(), ...links]));
  expect(sha256(other)).toBe(sha256(one));
});
