import { describe, expect, test } from "vitest";
import { errorsMarkdown } from "./errors-markdown.js";
import * as protocol from "../../src/index.js";
import { ancestry, errorAliases, errorClasses, type ErrorName, errorTable, errorTree } from "../../src/index.js";

const exits = new Set([1, 64, 65, 69, 70, 74, 75, 77, 78, 124]);

describe("the error table", () => {
  test("docs/errors.md is made from it", async () => {
    await expect(errorsMarkdown()).toMatchFileSnapshot("../../../../docs/errors.md");
  });

  test.each(Object.entries(errorTable))("%s is complete", (code, row) => {
    expect(code).toMatch(/^[A-Z][A-Z_]+$/);
    expect(Object.keys(errorTree)).toContain(row.class);
    expect(exits.has(row.exit)).toBe(true);
    expect(row.http).toBeGreaterThanOrEqual(400);
    expect(row.meaning).toMatch(/^[A-Z].*\.$/s);
    expect(row.hint).toMatch(/^[A-Z].*[^.]$/s);
    const transient = ancestry(row.class).includes("TransientError");
    if (transient) expect([row.exit, row.retry]).toEqual([75, "safe"]);
  });

  test.each(Object.entries(errorTree))("%s is a class with its parent and default code", (name, row) => {
    const built = errorClasses[name as ErrorName];
    expect(Object.getPrototypeOf(built)).toBe(row.parent === null ? Error : errorClasses[row.parent as ErrorName]);
    expect((errorTable as Record<string, { class: string }>)[row.code]?.class).toBe(name);
    expect((protocol as Record<string, unknown>)[name]).toBe(built);
  });

  test.each(Object.entries(errorAliases))("%s is %s", (alias, name) => {
    expect((protocol as Record<string, unknown>)[alias]).toBe(errorClasses[name]);
  });
});
