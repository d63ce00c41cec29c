import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { unzstd, ZstdError } from "../../src/oci/zstd.js";
import { zstdBlock, zstdFrame, zstdStored } from "./make-image.js";

/** What the reference implementation has made: of a file, and of a pipe with a checksum. */
const samples = ["lines-19", "lines-3"].map((name) => readFileSync(new URL(`zstd/${name}.zst`, import.meta.url)));
const lines = Buffer.from(Array.from({ length: 30_000 }, (_, n) => `line ${(n * n) % 1009}\n`).join(""));

async function decode(bytes: Buffer, piece = bytes.length): Promise<Buffer> {
  const out: Buffer[] = [];
  for await (const chunk of unzstd(pieces(bytes, piece))) out.push(chunk);
  return Buffer.concat(out);
}

async function* pieces(bytes: Buffer, piece: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += piece) yield await Promise.resolve(bytes.subarray(at, at + piece));
}

it.each([0, 1])("decodes what the reference implementation made, in pieces of any size (%i)", async (which) => {
  for (const piece of [1, 3, 7, 100, 5000]) expect((await decode(samples[which]!, piece)).equals(lines)).toBe(true);
});

it("decodes frames one after the other, empty ones, and skips what is no data", async () => {
  const empty = zstdFrame([zstdBlock(0, 0, Buffer.alloc(0), true)]);
  const all = Buffer.concat([samples[1]!, empty, zstdStored(lines), samples[0]!]);
  for (const piece of [1, 1000, all.length]) {
    expect((await decode(all, piece)).equals(Buffer.concat([lines, lines, lines]))).toBe(true);
  }
  expect(await decode(empty)).toHaveLength(0);
});

it("V-03: what a few bytes swell to comes out piece by piece, so that its reader can stop", async () => {
  const swelling = Array.from({ length: 20_000 }, (_, n) => zstdBlock(1, 131_072, Buffer.from([7]), n === 19_999));
  let read = 0;
  const source = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of pieces(zstdFrame(swelling), 4096)) {
      read += piece.length;
      yield piece;
    }
  };
  let bytes = 0;
  for await (const chunk of unzstd(source())) {
    bytes += chunk.length;
    if (bytes > 1_000_000) break;
  }
  expect([bytes < 2_000_000, read]).toEqual([true, 4096]);
});

it.each<[string, Buffer, string]>([
  ["a window of gigabytes", zstdFrame([zstdBlock(0, 0, Buffer.alloc(0), true)], 0xa8), "are allowed"],
  [
    "a content of terabytes in one segment",
    Buffer.concat([Buffer.from("28b52ffde0", "hex"), Buffer.from([0, 0, 0, 0, 0, 1, 0, 0]), Buffer.alloc(20)]),
    "are allowed",
  ],
  ["a dictionary", Buffer.from("28b52ffd0338010000000100000000000000000000", "hex"), "dictionary"],
  ["a reserved bit", Buffer.from("28b52ffd0838010000000100000000000000000000", "hex"), "reserved"],
  ["a block of an unknown type", zstdFrame([zstdBlock(3, 1, Buffer.alloc(30), true)]), "valid header"],
  ["a block that is too large", zstdFrame([zstdBlock(1, 1_000_000, Buffer.alloc(30), true)]), "valid header"],
  ["bytes that are something else", Buffer.from("28b52ffdnot at all, and more of it", "latin1"), ""],
  [
    "blocks without end that hold nothing",
    zstdFrame(Array.from({ length: 20_000 }, () => zstdBlock(0, 0, Buffer.alloc(0)))),
    "next to nothing",
  ],
])("V-03: refuses %s before it costs anything", async (_what, bytes, message) => {
  const before = process.memoryUsage().arrayBuffers;
  const error = await decode(bytes, 5).catch((thrown: Error) => thrown);
  expect(error).toBeInstanceOf(ZstdError);
  expect((error as Error).message).toContain(message);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
});

it("whatever is cut off or changed is refused or decodes to an end, never to more than it should", async () => {
  const seed = randomInt(2 ** 31);
  console.log(`zstd seed ${seed}`);
  for (const sample of samples) {
    for (let at = 1; at < 60; at++) {
      const cut = sample.subarray(0, (seed + at * 7919) % sample.length);
      if (cut.length > 0) await expect(decode(cut, 64), `cut at ${cut.length}`).rejects.toThrow(ZstdError);
    }
    for (let n = 0; n < 200; n++) {
      const changed = Buffer.from(sample);
      changed[(seed + n * 104_729) % sample.length]! ^= 1 << (n % 8);
      const out = await decode(changed, 64).catch((error: Error) => error);
      if (out instanceof Error) expect(out).toBeInstanceOf(ZstdError);
      else expect(out.length).toBeLessThanOrEqual((sample.length / 3) * 131_072);
    }
  }
});
