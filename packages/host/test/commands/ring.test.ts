import fc from "fast-check";
import { expect, test } from "vitest";
import { OutputRing } from "../../src/commands/ring.js";

const text = (ring: OutputRing, from: number): string =>
  Buffer.concat(ring.since(from).chunks.map(({ data }) => data)).toString("latin1");

test("replays from any position, also within a chunk", () => {
  const ring = new OutputRing(10_000);
  ring.push("stdout", Buffer.from("hello "));
  ring.push("stderr", Buffer.from("world"));
  expect(ring.cursor).toBe(11);
  expect(text(ring, 0)).toBe("hello world");
  expect(text(ring, 3)).toBe("lo world");
  expect(text(ring, 11)).toBe("");
  expect(ring.since(3).chunks[0]).toMatchObject({ stream: "stdout", cursor: 6 });
});

test("holds whatever is written, in whatever pieces, within its capacity, and never invents a byte", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 60 }),
      fc.nat(4000),
      (chunks, from) => {
        const capacity = 2_000;
        const ring = new OutputRing(capacity);
        chunks.forEach((chunk, at) => ring.push(at % 2 === 0 ? "stdout" : "stderr", chunk));
        const all = Buffer.concat(chunks);
        expect(ring.cursor).toBe(all.length);
        const start = Math.min(from, all.length);
        const { lostBytes } = ring.since(start);
        expect(text(ring, start)).toBe(all.subarray(start + lostBytes).toString("latin1"));
        expect(all.length - ring.oldest).toBeLessThanOrEqual(capacity);
      },
    ),
  );
});

test("one-byte writes without end stay bounded and fast", () => {
  const ring = new OutputRing(64 * 1024);
  const began = performance.now();
  for (let n = 0; n < 1_000_000; n++) ring.push(n % 2 === 0 ? "stdout" : "stderr", Buffer.from([n & 0xff]));
  expect(ring.since(0).chunks.length).toBeLessThanOrEqual(4_097);
  expect(ring.since(0).lostBytes).toBe(ring.oldest);
  expect(performance.now() - began).toBeLessThan(5_000);
});

test("of a chunk larger than the ring the end is kept and the loss is told", () => {
  const ring = new OutputRing(1_000);
  ring.push("stdout", Buffer.alloc(5_000, "x"));
  expect(ring.since(0)).toMatchObject({ lostBytes: 4_000 });
  expect(text(ring, 0)).toHaveLength(1_000);
});
