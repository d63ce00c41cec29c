import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { omissionMarker, OutputCapture } from "../../src/capture/index.js";
import { seed } from "../support/seed.js";

function capture(bytes: Uint8Array, limit: number, piece = bytes.length || 1): ReturnType<OutputCapture["result"]> {
  const output = new OutputCapture(limit);
  for (let at = 0; at < bytes.length; at += piece) output.push(bytes.subarray(at, at + piece));
  return output.result();
}

describe("captured output", () => {
  test.each([1, 2, 3, 7, 64, 1024])("is exact one below, at and one above %i bytes", (limit) => {
    for (const piece of [1, 3, limit, limit + 1]) {
      for (const length of [0, limit - 1, limit]) {
        const text = "abcdefghij".repeat(200).slice(0, length);
        expect(capture(Buffer.from(text), limit, piece)).toEqual({
          text,
          base64: undefined,
          bytes: length,
          truncated: false,
        });
      }
      const longer = "abcdefghij".repeat(200).slice(0, limit + 1);
      const result = capture(Buffer.from(longer), limit, piece);
      const head = Math.ceil(limit / 2);
      const tail = limit - head;
      expect(result.text).toBe(
        longer.slice(0, head) + omissionMarker(1) + longer.slice(longer.length - tail, longer.length),
      );
      expect(result).toMatchObject({ truncated: true, bytes: limit + 1 });
    }
  });

  test("keeps nothing with a limit of 0, and counts", () => {
    expect(capture(Buffer.from("abc"), 0)).toEqual({ text: "", base64: undefined, bytes: 3, truncated: true });
    expect(capture(Buffer.from(""), 0).truncated).toBe(false);
  });

  test("never cuts inside a character", () => {
    for (const character of ["é", "€", "😀"]) {
      const text = character.repeat(50);
      for (let limit = 1; limit < 60; limit++) {
        const result = capture(Buffer.from(`${"a".repeat(limit % 3)}${text}`), limit, 5);
        expect(result.text, `${character} ${limit}`).not.toContain("\ufffd");
        expect(result.base64).toBeUndefined();
        const kept = Buffer.byteLength(result.text.replace(/\n… \[\d+ bytes omitted\] …\n/, ""));
        const omitted = Number(/\[(\d+) bytes/.exec(result.text)?.[1] ?? 0);
        expect(kept + omitted).toBe(result.bytes);
        expect(kept).toBeLessThanOrEqual(limit);
      }
    }
  });

  test("keeps bytes that are not UTF-8 in base64", () => {
    const bytes = Buffer.from([0x61, 0xff, 0x00, 0xe2, 0x82]);
    expect(capture(bytes, 100)).toEqual({
      text: "a\ufffd\0\ufffd",
      base64: bytes.toString("base64"),
      bytes: 5,
      truncated: false,
    });
    expect(capture(Buffer.alloc(100, 0xff), 10)).toMatchObject({ truncated: true, bytes: 100 });
  });

  test(`is head and tail of whatever is written, however it is split (seed ${seed})`, () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 50 }),
        (bytes, limit, piece) => {
          const result = capture(bytes, limit, piece);
          expect(result).toEqual(capture(bytes, limit));
          expect(result.bytes).toBe(bytes.length);
          expect(result.truncated).toBe(bytes.length > limit);
          if (result.truncated) return;
          expect(result.base64 === undefined ? Buffer.from(result.text) : Buffer.from(result.base64, "base64")).toEqual(
            Buffer.from(bytes),
          );
        },
      ),
      { seed },
    );
  });

  test("holds its limit of a gigabyte, and is fast", () => {
    const output = new OutputCapture(1024 * 1024);
    const chunk = Buffer.alloc(256 * 1024, 0x79);
    const before = process.memoryUsage().arrayBuffers;
    const began = performance.now();
    for (let i = 0; i < 4096; i++) output.push(chunk);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
    expect(performance.now() - began).toBeLessThan(3000);
    const result = output.result();
    expect(result).toMatchObject({ bytes: 2 ** 30, truncated: true });
    expect(result.text).toContain(`[${2 ** 30 - 2 ** 20} bytes omitted]`);
  });
});
