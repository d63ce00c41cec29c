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

test("K-12 property: a secret in any listed form, cut anywhere, is never visible, and clean bytes pass as they are", () => {
  const seed = Date.now() & 0xffff;
  console.log(`seed ${seed}`);
  const encode: ((value: string) => string)[] = [
    (value) => value,
    (value) => JSON.stringify(value).slice(1, -1),
    (value) => encodeURIComponent(value),
    (value) => Buffer.from(value).toString("hex"),
    (value) => Buffer.from(value).toString("hex").toUpperCase(),
    ...["", "a", "ab"].flatMap((lead) => [
      (value: string) => Buffer.from(`${lead}${value}!!`).toString("base64"),
      (value: string) => Buffer.from(`${lead}${value}!!`).toString("base64url"),
    ]),
  ];
  const values = fc.array(fc.string({ unit: "grapheme", minLength: 8, maxLength: 24 }), { minLength: 1, maxLength: 4 });
  const filler = fc.uint8Array({ maxLength: 24 });
  const piece = fc.tuple(filler, fc.nat(), fc.nat(encode.length - 1));
  fc.assert(
    fc.property(
      values,
      fc.array(piece, { maxLength: 6 }),
      fc.array(fc.nat(9), { maxLength: 80 }),
      (secrets, pieces, sizes) => {
        const forms = pieces.map(([, which, how]) =>
          Buffer.from(encode[how]?.(secrets[which % secrets.length] ?? "") ?? ""),
        );
        const input = Buffer.concat(
          pieces.flatMap(([before], at) => [Buffer.from(before), forms[at] ?? Buffer.alloc(0)]),
        );
        const made = redactor(...secrets);
        const stream = made.stream();
        const out: Buffer[] = [];
        let at = 0;
        for (const size of sizes) out.push(stream.push(input.subarray(at, (at += size))));
        const clean = Buffer.concat([...out, stream.push(input.subarray(at)), stream.flush()]);
        for (const [index, form] of forms.entries()) {
          const edges = (pieces[index]?.[2] ?? 0) >= 5 ? 4 : 0;
          const core = form.subarray(edges, form.length - edges);
          if (core.length >= 8) expect(clean.includes(core)).toBe(false);
        }
        const whole = redactor(...secrets);
        if (!forms.some((form) => form.length > 0)) expect(clean).toEqual(input);
        // Whatever the cuts: the same bytes as for the text as a whole.
        const once = whole.stream();
        expect(clean).toEqual(Buffer.concat([once.push(input), once.flush()]));
      },
    ),
    { seed, numRuns: 300 },
  );
});

test("K-12 a value that goes on where another ends is taken out as a whole, wherever the stream is cut", () => {
  const input = Buffer.from("x abcdefgh-secret-tail y abcdefgh z");
  for (let cut = 0; cut <= input.length; cut++) {
    const made = redactor("abcdefgh", "abcdefgh-secret-tail");
    expect(streamed(made, input, [cut])).toBe(`x ${redacted} y ${redacted} z`);
  }
});

test("K-12 what waits is never longer than a value, however long the stream", () => {
  const made = redactor("a".repeat(60_000));
  const stream = made.stream();
  let passed = 0;
  for (let n = 0; n < 100; n++) passed += stream.push(Buffer.from("a".repeat(16_384))).length;
  expect(100 * 16_384 - 27 * 60_000 - passed).toBeLessThan(60_000);
  expect(passed).toBe(redacted.length * 27);
});
