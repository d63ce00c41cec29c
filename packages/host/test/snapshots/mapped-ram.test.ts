import { randomBytes, randomInt } from "node:crypto";
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SnapshotError } from "@mvm/protocol";
import { describe, expect, it } from "vitest";
import { findMappedRam, writeDeviceState } from "../../src/backends/qemu/mapped-ram.js";
import { temporaryHome } from "../fixture/daemon.js";

const memoryMb = 1;
const memoryBytes = memoryMb * 1024 * 1024;
const bitmapBytes = memoryBytes / 4096 / 8;
const pagesAt = 1024 * 1024;

/** The head of a stream as QEMU writes it: magic, some words, the block's name and its mapped-ram header. */
function head(change: Partial<Record<"length" | "version" | "page" | "bitmapAt" | "pagesAt", number>> = {}): Buffer {
  const before = Buffer.concat([
    Buffer.from("QEVM\x00\x00\x00\x03", "latin1"),
    Buffer.from("....mem of a machine....\x03mem", "latin1"),
  ]);
  const entry = Buffer.alloc(36);
  entry.writeBigUInt64BE(BigInt(change.length ?? memoryBytes), 0);
  entry.writeUInt32BE(change.version ?? 1, 8);
  entry.writeBigUInt64BE(BigInt(change.page ?? 4096), 12);
  entry.writeBigUInt64BE(BigInt(change.bitmapAt ?? before.length + 36), 20);
  entry.writeBigUInt64BE(BigInt(change.pagesAt ?? pagesAt), 28);
  return Buffer.concat([before, entry]);
}
const fileBytes = pagesAt + memoryBytes + 100;

describe("findMappedRam", () => {
  it("finds the memory's block", () => {
    const found = findMappedRam(head(), memoryBytes, fileBytes);
    expect(found).toEqual({ length: memoryBytes, bitmapAt: head().length, pagesAt });
  });

  it.each([
    ["another memory size", head({ length: memoryBytes * 2 })],
    ["another version", head({ version: 2 })],
    ["another page size", head({ page: 65536 })],
    ["a bitmap elsewhere", head({ bitmapAt: 5 })],
    ["pages over the bitmap", head({ pagesAt: 0 })],
    ["pages off a page's border", head({ pagesAt: pagesAt + 1 })],
    ["pages beyond the file", head({ pagesAt: pagesAt * 64 })],
    ["pages at an absurd place", head({ pagesAt: 2 ** 53 })],
    ["no block", Buffer.from("QEVM and nothing else follows here")],
    ["another magic", Buffer.concat([Buffer.from("QCOW"), head().subarray(4)])],
    ["nothing", Buffer.alloc(0)],
  ] as [string, Buffer][])("refuses %s", (_what, bytes) => {
    expect(() => findMappedRam(bytes, memoryBytes, fileBytes)).toThrow(SnapshotError);
  });

  it("refuses every stream that ends early", () => {
    const whole = head();
    for (let end = 0; end < whole.length; end++) {
      expect(() => findMappedRam(whole.subarray(0, end), memoryBytes, fileBytes), `${end}`).toThrow(SnapshotError);
    }
  });

  it("never answers with a place outside of the file, whatever it reads", () => {
    const seed = randomInt(2 ** 31);
    console.log(`mapped-ram seed ${seed}`);
    let state = seed;
    const next = (below: number): number => (state = (state * 1103515245 + 12345) % 2 ** 31) % below;
    for (let round = 0; round < 5_000; round++) {
      const bytes =
        round % 2 === 0 ? head() : Buffer.concat([Buffer.from("QEVM"), randomBytes(80), head().subarray(4)]);
      for (let flips = 1 + next(4); flips > 0; flips--) bytes[next(bytes.length)] = next(256);
      try {
        const found = findMappedRam(bytes, memoryBytes, fileBytes);
        expect(found.length).toBe(memoryBytes);
        expect(found.bitmapAt).toBeLessThanOrEqual(bytes.length);
        expect(found.pagesAt).toBeGreaterThanOrEqual(found.bitmapAt + bitmapBytes);
        expect(found.pagesAt + found.length).toBeLessThanOrEqual(fileBytes);
      } catch (error) {
        if (!(error instanceof SnapshotError)) throw error;
      }
    }
  });
});

describe("writeDeviceState", () => {
  it("keeps the head and the devices, and neither bitmap nor pages", async () => {
    const directory = temporaryHome();
    const [memory, state] = [join(directory, "memory"), join(directory, "state")];
    const fd = openSync(memory, "w");
    const devices = Buffer.concat([Buffer.from("devices"), Buffer.alloc(200_000), randomBytes(33)]);
    const end = pagesAt + memoryBytes;
    ftruncateSync(fd, end + devices.length);
    writeSync(fd, head(), 0, head().length, 0);
    writeSync(fd, Buffer.alloc(bitmapBytes, 0xff), 0, bitmapBytes, head().length);
    writeSync(fd, randomBytes(memoryBytes), 0, memoryBytes, pagesAt);
    writeSync(fd, devices, 0, devices.length, end);
    closeSync(fd);
    expect(await writeDeviceState(memory, state, memoryMb)).toBe(pagesAt);
    const written = readFileSync(state);
    expect(written.length).toBe(end + devices.length);
    expect(written.subarray(0, head().length)).toEqual(head());
    expect(written.subarray(head().length, end).every((byte) => byte === 0)).toBe(true);
    expect(written.subarray(end)).toEqual(devices);
    expect(statSync(state).blocks * 512).toBeLessThan(200_000);
  });

  it("refuses what QEMU does not write, and leaves nothing", async () => {
    const directory = temporaryHome();
    writeFileSync(join(directory, "memory"), randomBytes(100_000));
    await expect(writeDeviceState(join(directory, "memory"), join(directory, "state"), memoryMb)).rejects.toThrow(
      SnapshotError,
    );
    expect(() => statSync(join(directory, "state"))).toThrow("ENOENT");
  });
});
