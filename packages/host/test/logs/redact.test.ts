import fc from "fast-check";
import { expect, test } from "vitest";
import { Redactor, redacted } from "../../src/logs/redact.js";
import { lineSplitter } from "../../src/logs/line-splitter.js";

const secret = 'sk-live/"q?9+Zz~ü7\\key';

function redactor(...values: string[]): Redactor {
  const made = new Redactor();
  made.protect(values);
  return made;
}

/** The stream's output when the input comes in pieces of the given sizes. */
function streamed(made: Redactor, input: Buffer, sizes: readonly number[]): string {
  const stream = made.stream();
  const out: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    out.push(stream.push(input.subarray(at, at + size)));
    at += size;
  }
  return Buffer.concat([...out, stream.push(input.subarray(at)), stream.flush()]).toString("utf8");
}

test("K-01 a value is taken out raw, as JSON and URLs escape it, and in base64 at every alignment", () => {
  const made = redactor(secret);
  for (const form of [secret, JSON.stringify(secret), encodeURIComponent(secret), `Bearer ${secret}`]) {
    expect(made.text(`before ${form} after`)).toMatch(/^before .*\[redacted\].* after$/);
    expect(made.text(`before ${form} after`)).not.toContain("live");
  }
  for (const before of ["", "a", "ab", "abc", "user:"]) {
    for (const encoding of ["base64", "base64url"] as const) {
      const encoded = Buffer.from(`${before}${secret}:tail`).toString(encoding);
      const clean = made.text(`token ${encoded}`);
      expect(clean, before).toContain(redacted);
      const left = clean.replace("token ", "").split(redacted).join("");
      expect(left.length, `${before} ${clean}`).toBeLessThan(20);
    }
  }
});

test("K-01 wherever a stream is cut, the value does not come out, and everything else does", () => {
  const input = Buffer.from(`${"x".repeat(30)}${secret}\nmiddle ${secret}${secret} sk-live/ not it\n`);
  const expected = input.toString("utf8").replaceAll(secret, redacted);
  for (let cut = 0; cut <= input.length; cut++) expect(streamed(redactor(secret), input, [cut])).toBe(expected);
  expect(
    streamed(
      redactor(secret),
      input,
      Array.from({ length: input.length }, () => 1),
    ),
  ).toBe(expected);
});

test("K-01 property: cutting a stream differently changes nothing", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "ab", "ba", "\n"), maxLength: 60 });
  const values = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 4, maxLength: 8 }), { maxLength: 4 });
  fc.assert(
    fc.property(text, values, fc.array(fc.nat(7), { maxLength: 40 }), (input, protectedValues, sizes) => {
      const made = redactor(...protectedValues);
      const out = streamed(made, Buffer.from(input), sizes);
      for (const value of protectedValues) expect(out).not.toContain(value);
      if (protectedValues.length === 0) expect(out).toBe(input);
    }),
  );
});

test("K-01 a value over several lines and one across the pieces of an endless line do not reach the log", () => {
  const pem = "-----BEGIN KEY-----\nc2VjcmV0\nbGluZXM=\n-----END KEY-----";
  const stream = redactor(pem, secret).stream();
  const lines: string[] = [];
  const take = lineSplitter(64, (line) => lines.push(line));
  const input = Buffer.from(`start\n${pem}\n${"y".repeat(60)}${secret}${"z".repeat(200)}\n`);
  for (let at = 0; at < input.length; at += 7) take(stream.push(input.subarray(at, at + 7)));
  take(stream.flush());
  expect(lines.slice(0, 2)).toEqual(["start", redacted]);
  expect(lines.join("")).not.toMatch(/BEGIN|sk-live|c2VjcmV0/);
});

test("without anything to protect nothing is held or changed, and values that say nothing are not looked for", () => {
  const stream = new Redactor().stream();
  const chunk = Buffer.from("as it is");
  expect(stream.push(chunk)).toBe(chunk);
  expect(redactor("", "a", "abc").text("a b abc")).toBe("a b abc");
});
