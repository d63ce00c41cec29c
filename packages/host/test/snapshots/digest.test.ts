import { createHash, randomBytes, randomInt } from "node:crypto";
import { execFileSync } from "node:child_process";
import { closeSync, linkSync, openSync, symlinkSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { dataRanges } from "../../src/backends/qemu/disks.js";
import { chunkBytes, digestFile } from "../../src/snapshots/digest.js";
import { temporaryHome } from "../fixture/daemon.js";

let path: string;
beforeEach(() => {
  path = join(temporaryHome(), "part");
});

const digest = async (file = path) => (await digestFile(file, "part", dataRanges)).sha256;
const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** The tree as docs/snapshots.md describes it, over a file held in memory. */
function treeOf(content: Buffer): string {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(content.length));
  const chunks: Buffer[] = [];
  for (let at = 0; at < content.length; at += chunkBytes) chunks.push(sha256(content.subarray(at, at + chunkBytes)));
  return sha256(Buffer.from("mvm-tree-v1\0", "latin1"), length, ...chunks).toString("hex");
}

/** Writes bytes at a place of the file, without touching the rest. */
function poke(at: number, bytes: Buffer): void {
  const fd = openSync(path, "r+");
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

describe("digestFile", () => {
  it.each([0, 1, 4096, chunkBytes - 1, chunkBytes, chunkBytes + 1, 2 * chunkBytes + 77])(
    "is the documented tree for %i bytes",
    async (size) => {
      const content = randomBytes(size);
      writeFileSync(path, content);
      expect(await digestFile(path, "part", dataRanges)).toEqual({
        name: "part",
        bytes: size,
        sha256: treeOf(content),
      });
    },
  );

  it("does not depend on where a file has holes", async () => {
    const size = 3 * chunkBytes + 5;
    writeFileSync(path, "");
    truncateSync(path, size);
    poke(chunkBytes + 9, Buffer.from("data"));
    const content = Buffer.alloc(size);
    content.write("data", chunkBytes + 9);
    const sparse = await digest();
    expect(sparse).toBe(treeOf(content));
    writeFileSync(path, content);
    expect(await digest()).toBe(sparse);
  });

  it("X-01 changes with any single byte, and with the length", async () => {
    const seed = randomInt(2 ** 31);
    console.log(`digest seed ${seed}`);
    const size = 2 * chunkBytes + 1000;
    const content = randomBytes(size);
    const before = treeOf(content);
    for (const at of [0, chunkBytes - 1, chunkBytes, seed % size, size - 1]) {
      const flipped = Buffer.from(content);
      flipped[at]! ^= 1 << (seed % 8);
      writeFileSync(path, flipped);
      expect(await digest(), `byte ${at}`).not.toBe(before);
    }
    for (const other of [content.subarray(0, size - 1), Buffer.concat([content, Buffer.alloc(1)])]) {
      writeFileSync(path, other);
      expect(await digest()).not.toBe(before);
    }
  });

  it("X-05 refuses links, FIFOs and directories instead of reading or waiting for them", async () => {
    const target = `${path}.target`;
    writeFileSync(target, "content");
    symlinkSync(target, path);
    await expect(digest()).rejects.toThrow("ELOOP");
    execFileSync("mkfifo", [`${path}.fifo`]);
    await expect(digest(`${path}.fifo`)).rejects.toThrow("not a plain file");
    await expect(digest(join(path, ".."))).rejects.toThrow();
    linkSync(target, `${path}.hard`);
    expect(await digest(`${path}.hard`)).toBe(treeOf(Buffer.from("content")));
  });

  it("ends when it is aborted", async () => {
    writeFileSync(path, randomBytes(3 * chunkBytes));
    const signal = AbortSignal.abort(new Error("the client went"));
    await expect(digestFile(path, "part", dataRanges, signal)).rejects.toThrow("the client went");
  });
});
