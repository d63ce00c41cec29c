import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ndjson } from "../../src/client/index.js";

async function* pieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    if (cut > at) yield bytes.subarray(at, cut);
    at = Math.max(at, cut);
  }
}

async function collect(source: AsyncIterable<Buffer>, limit?: number): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of ndjson(source, limit)) values.push(value);
  return values;
}

describe("NDJSON", () => {
  test("gives the same objects however the bytes are split", async () => {
    const values = fc.array(fc.record({ event: fc.string(), data: fc.jsonValue() }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(values, fc.array(fc.nat(400), { maxLength: 20 }), async (events, cuts) => {
        const bytes = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(""));
        const expected = events.map((event) => JSON.parse(JSON.stringify(event)) as unknown);
        expect(
          await collect(
            pieces(
              bytes,
              cuts.map((cut) => Math.min(cut, bytes.length)),
            ),
          ),
        ).toEqual(expected);
      }),
    );
  });

  test("takes a last line without an end and skips empty ones", async () => {
    expect(await collect(pieces(Buffer.from('\n{"a":1}\n\n{"b":2}'), []))).toEqual([{ a: 1 }, { b: 2 }]);
  });

  test("refuses a line that is one byte longer than the limit", async () => {
    const line = (length: number) => Buffer.from(`"${"x".repeat(length - 2)}"\n`);
    expect(await collect(pieces(line(64), [10, 20]), 64)).toHaveLength(1);
    await expect(collect(pieces(line(65), [10, 20]), 64)).rejects.toMatchObject({ code: "PROTOCOL_VIOLATION" });
    await expect(collect(pieces(Buffer.alloc(200, 0x20), [50, 100]), 64)).rejects.toThrow(/longer than 64 bytes/);
  });

  test("refuses what is not JSON", async () => {
    await expect(collect(pieces(Buffer.from("{nope}\n"), []))).rejects.toMatchObject({ code: "PROTOCOL_VIOLATION" });
  });
});
