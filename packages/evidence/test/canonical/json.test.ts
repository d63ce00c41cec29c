import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, parseCanonical } from "../../src/canonical/json.js";
import { seed } from "../fixture/scene.js";

describe("canonical JSON", () => {
  it("is that of RFC 8785, section 3.2.3 and appendix B", () => {
    const value = {
      numbers: [4.5, 2e-3, 0.000000000000000000000000001],
      string: "€$\u000F\u000aA'\u0042\u0022\u005c\\\"\u002f",
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    const keys = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7 };
    expect(canonicalJson(keys)).toBe('{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}');
    expect([-0, 0.1 + 0.2, 1e-7, 1e-27].map(canonicalJson)).toEqual(["0", "0.30000000000000004", "1e-7", "1e-27"]);
  });

  it.each([
    ["undefined", { a: undefined }],
    ["a hole", [1, , 2]],
    ["NaN", [NaN]],
    ["an infinity", { a: -Infinity }],
    ["an integer over 2^53", { a: 2 ** 53 }],
    ["a lone surrogate", { a: "x\ud800y" }],
    ["a lone surrogate as a key", { "\udc00": 1 }],
    ["a function", { a: () => 1 }],
    ["a bigint", { a: 1n }],
    ["a symbol", { a: Symbol("s") }],
    ["a date", { a: new Date() }],
    ["an object with toJSON", { a: Object.create({ toJSON: () => "other" }) as object }],
    ["__proto__", JSON.parse('{"__proto__":1}') as object],
    ["depth", JSON.parse(`${"[".repeat(20)}${"]".repeat(20)}`) as object],
  ])("A-11 refuses %s instead of changing it", (_what, value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });

  it(`reads back what it writes, and nothing that differs in a byte (seed ${seed})`, () => {
    const values = fc.jsonValue({ maxDepth: 5, noUnicodeString: false }).filter((value) => {
      try {
        return canonicalJson(value) !== "";
      } catch {
        return false;
      }
    });
    fc.assert(
      fc.property(values, fc.nat(), fc.nat({ max: 255 }), (value, at, byte) => {
        const text = canonicalJson(value);
        expect(canonicalJson(parseCanonical(text))).toBe(text);
        const bytes = Buffer.from(text);
        const changed = Buffer.from(bytes);
        changed[at % bytes.length] = byte;
        const other = changed.toString("utf8");
        if (other === text) return;
        let read: unknown;
        try {
          read = parseCanonical(other);
        } catch {
          return;
        }
        // Still canonical: then it is another value, and says so.
        expect(canonicalJson(read)).toBe(other);
      }),
      { seed, numRuns: 2_000 },
    );
  });

  it(`reads nothing that it would refuse to write, whatever the text (seed ${seed})`, () => {
    // Generated texts rarely come near the limits by themselves: digits and brackets around 2^53 and 16 levels do.
    const number = fc
      .oneof(fc.bigInt({ min: -(2n ** 60n), max: 2n ** 60n }), fc.double(), fc.maxSafeInteger())
      .map(String);
    const nested = fc
      .tuple(number, fc.array(fc.boolean(), { maxLength: 20 }))
      .map(([text, levels]) => levels.reduce((inner, list) => (list ? `[${inner}]` : `{"a":${inner}}`), text));
    fc.assert(
      fc.property(fc.oneof(number, nested, fc.json()), (text) => {
        let read: unknown;
        try {
          read = parseCanonical(text);
        } catch {
          return;
        }
        expect(canonicalJson(read)).toBe(text);
      }),
      { seed, numRuns: 2_000 },
    );
  });

  it.each([
    ['{"a":1,"a":1}', "a second key of one name"],
    ['{"b":1,"a":1}', "another order"],
    ['{"a": 1}', "white space"],
    ['{"a":1}\n', "trailing bytes"],
    ['{"a":1}{"a":1}', "a second document"],
    ['\ufeff{"a":1}', "a byte order mark"],
    ['{"a":"\\u0041"}', "another escape"],
    ['{"a":1.0}', "another form of a number"],
    ['{"a":"\\ud800"}', "a lone surrogate"],
    ['{"__proto__":1}', "__proto__"],
    ["9007199254740992", "an integer over 2^53"],
    ['{"a":[-9007199254740992]}', "a negative one, inside"],
    ["123456789012345680000", "one that prints as it was read"],
    ["1e+300", "a number without a fraction beyond 2^53"],
    [`${"[".repeat(18)}${"]".repeat(18)}`, "depth"],
    [`${'{"a":'.repeat(17)}1${"}".repeat(17)}`, "depth of objects"],
  ])("A-10 E-04 does not read %s: %s", (text) => {
    expect(() => parseCanonical(text)).toThrow();
  });
});
