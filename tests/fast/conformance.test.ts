import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errorTree } from "@mvm/protocol/errors";
import { describe, expect, test } from "vitest";
import { fill, mismatch } from "../conformance/match.js";
import { suite } from "../conformance/scenario.js";
import { root } from "../support/home.js";

describe("the conformance scenarios", () => {
  const steps = suite.scenarios.flatMap(({ steps }) => steps);

  test("have ids of their own and rows that there are", () => {
    const ids = suite.scenarios.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const rows = new Set(suite.scenarios.flatMap(({ row }) => row ?? []));
    expect([...rows].filter((row) => !(row in suite.rows))).toEqual([]);
    expect(Object.keys(suite.rows).filter((row) => !rows.has(row))).toEqual([]);
  });

  test("use operations and fields that their README explains", () => {
    const readme = readFileSync(join(root, "tests", "conformance", "README.md"), "utf8");
    for (const operation of new Set(steps.map((step) => step.do))) expect(readme).toContain(`\`${operation}\``);
    const fields = new Set(["do", "with", "as", "expect", "error", "only"]);
    expect(steps.flatMap((step) => Object.keys(step)).filter((field) => !fields.has(field))).toEqual([]);
  });

  test("provoke every error class, or name the test that does", () => {
    const provoked = new Set(steps.flatMap(({ error }) => (error ? [String(error["name"])] : [])));
    const named = [...Object.keys(suite.errors_elsewhere), ...suite.error_families];
    expect(named.filter((name) => provoked.has(name))).toEqual([]);
    const classes = new Set([...provoked, ...named].filter((name) => name !== "refused"));
    expect([...classes].sort()).toEqual(Object.keys(errorTree).sort());
  });

  test.each(Object.entries(suite.errors_elsewhere))("%s is raised in %s", (name, path) => {
    const code = errorTree[name as keyof typeof errorTree].code;
    expect(readFileSync(join(root, path), "utf8")).toMatch(new RegExp(`\\b(${name}|${code})\\b`));
  });
});

describe("expectations", () => {
  test.each([
    [{ a: 1 }, { a: 1, b: 2 }],
    [
      [1, { $matches: "^b" }],
      [1, "bc"],
    ],
    [{ $includes: [{ a: 1 }] }, [{ a: 2 }, { a: 1, b: 1 }]],
    [{ $atLeast: 2 }, 2],
    [{ $present: true }, 0],
    [{ $not: "a" }, "b"],
    [null, null],
  ])("%j is met by %j", (expected, value) => expect(mismatch(expected, value)).toBe(null));

  test.each([
    [{ a: 1 }, { b: 2 }],
    [{ a: 1 }, null],
    [[1], [1, 2]],
    [{ $matches: "^b" }, "a"],
    [{ $matches: "b" }, 5],
    [{ $includes: [1] }, []],
    [{ $atLeast: 2 }, 1],
    [{ $present: true }, null],
    [{ $not: "a" }, "a"],
    [null, undefined],
    ["1", 1],
  ])("%j is not met by %j", (expected, value) => expect(mismatch(expected, value)).toMatch(/^it/));

  test("texts are filled in, and what is only a reference keeps its type", () => {
    const known = new Map<string, unknown>([["a", { b: [{ c: 5 }] }]]);
    expect(fill({ x: "${a.b.0.c}", y: ["<${a.b.0.c}>"] }, known)).toEqual({ x: 5, y: ["<5>"] });
    expect(() => fill("${d}", known)).toThrow(/no step before/);
    expect(() => fill("${a.z}", known)).toThrow(/there is not/);
  });
});
