import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { editDistance, nearest } from "../../src/command/nearest.js";
import { printable, printableLines, terminalFilter } from "../../src/render/escape.js";
import { facts } from "../../src/render/facts.js";
import { table } from "../../src/render/table.js";
import { bytes, milliseconds, span } from "../../src/render/units.js";
import { fit, widthOf } from "../../src/render/width.js";

describe("escaping", () => {
  test.each([
    ["a\nb", "a\\nb"],
    ["\u001b]52;c;aGk=\u0007", "\\x1b]52;c;aGk=\\x07"],
    ["\u009b31m", "\\x9b31m"],
    ["user\u202egpj.exe", "user\\u202egpj.exe"],
    ["a\u200bb", "a\\u200bb"],
    ["\u{e0041}", "\\u{e0041}"],
    ["\ud800", "\\ud800"],
    ["grüße 日本 👍", "grüße 日本 👍"],
  ])("%j is shown as %s", (text, shown) => expect(printable(text)).toBe(shown));

  test("lines keep newlines and tabs only", () =>
    expect(printableLines("a\n\tb\r\u001b[2J")).toBe("a\n\tb\\r\\x1b[2J"));

  test("nothing that moves a cursor survives, wherever the stream is cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (data, cut) => {
        const filter = terminalFilter();
        const text = filter(data.subarray(0, cut)) + filter(data.subarray(cut)) + filter();
        expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
        const whole = terminalFilter();
        expect(text).toBe(whole(data) + whole());
      }),
    );
  });
});

describe("tables", () => {
  const columns = [
    { heading: "NAME", cell: (row: string[]) => row[0] ?? "" },
    { heading: "ID", cell: (row: string[]) => row[1] ?? "" },
    { heading: "STATE", cell: (row: string[]) => row[2] ?? "" },
  ];
  const rows = [
    ["devbox", "sbx_01jd0000000000000000000000", "running"],
    ["日本語の名前です", "x", ""],
  ];

  test("is as wide as it needs without a terminal", () => {
    expect(table(rows, columns)).toBe(
      "NAME              ID                              STATE\ndevbox            sbx_01jd0000000000000000000000  running\n日本語の名前です  x                               -",
    );
  });

  test.each([120, 80, 40, 30, 20, 10, 1])("fits %i columns", (width) => {
    for (const line of table(rows, columns, width).split("\n")) expect(widthOf(line)).toBeLessThanOrEqual(width);
  });

  test("narrows and leaves out what matters least, and never shows a part of what is whole", () => {
    const ranked = [
      { heading: "NAME", cell: (row: string[]) => row[0] ?? "", least: 8, rank: 0 },
      { heading: "ID", cell: (row: string[]) => row[1] ?? "", least: "whole" as const, rank: 3 },
      { heading: "STATE", cell: (row: string[]) => row[2] ?? "", least: "whole" as const, rank: 1 },
      { heading: "PORTS", cell: () => "127.0.0.1:8080:80 127.0.0.1:9090:90", least: 10, rank: 2 },
    ];
    const [first] = rows;
    const at = (width: number) => table(first === undefined ? [] : [first], ranked, width).split("\n")[1];
    expect(at(90)).toBe("devbox  sbx_01jd0000000000000000000000  running  127.0.0.1:8080:80 127.0.0.1:9090:90");
    expect(at(80)).toBe("devbox  sbx_01jd0000000000000000000000  running  127.0.0.1:8080:80 127.0.0.1:90…");
    expect(at(50)).toBe("devbox  running  127.0.0.1:8080:80 127.0.0.1:9090…");
    expect(at(20)).toBe("devbox  running");
    expect(at(8)).toBe("devbox");
    expect(at(4)).toBe("dev…");
  });

  test("escapes what guests name", () =>
    expect(table([["a\u001b[2Jb\nc", "", ""]], columns)).toContain("a\\x1b[2Jb\\nc"));

  test("never exceeds the width, whatever is in it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string({ unit: "grapheme", maxLength: 30 }), { minLength: 3, maxLength: 3 }), {
          maxLength: 5,
        }),
        fc.integer({ min: 1, max: 100 }),
        (cells, width) => {
          for (const line of table(cells, columns, width).split("\n")) expect(widthOf(line)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});

test("cutting shows that something is missing", () => {
  expect([fit("abcdef", 4), fit("abcd", 4), fit("日本語", 4), fit("abc", 1), fit("abc", 0)]).toEqual([
    "abc…",
    "abcd",
    "日…",
    "…",
    "",
  ]);
});

test("units read well", () => {
  expect([0, 59_999, 60_000, 3_900_000, 90_000_000, -5].map(span)).toEqual(["0s", "59s", "1m", "1h05m", "1d01h", "0s"]);
  expect([0, 1023, 1024, 1536, 536_870_912, 10 * 1024 ** 3].map(bytes)).toEqual([
    "0B",
    "1023B",
    "1K",
    "1.5K",
    "512M",
    "10G",
  ]);
  expect([31.25, 1240].map(milliseconds)).toEqual(["31.3 ms", "1.24 s"]);
});

test("the nearest verb is found, and nothing far away", () => {
  expect([nearest("exce", ["exec", "ls"]), nearest("lss", ["exec", "ls"]), nearest("zzzz", ["exec", "ls"])]).toEqual([
    "exec",
    "ls",
    undefined,
  ]);
  expect([editDistance("", "abc"), editDistance("ca", "abc"), editDistance("kitten", "sitting")]).toEqual([3, 3, 3]);
});

describe("outlines", () => {
  const document = {
    a: "x".repeat(10),
    long: "word ".repeat(30).trim(),
    list: ["word ".repeat(20).trim(), "b"],
    none: [],
  };

  test("are one fact a line where there is no width", () =>
    expect(
      facts(document)
        .split("\n")
        .map((line) => line.slice(0, 12)),
    ).toEqual(["a: xxxxxxxxx", "long: word w", "list:", "  - word wor", "  - b", "none: -"]));

  test("go on below where a line is too long, and lose no word", () => {
    const text = facts(document, 40);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(40);
    expect(text.match(/word/g)?.length).toBe(50);
    expect(text.split("\n")[2]).toMatch(/^ {4}word/);
  });
});
