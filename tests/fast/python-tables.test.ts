import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as protocol from "../../packages/protocol/src/index.js";
// @ts-expect-error: a script, without types
import { pythonTables, tablesOf } from "../../scripts/python-tables.mjs";
import { root } from "../support/home.js";

const modules = Object.entries(
  (pythonTables as (tables: unknown) => Record<string, string>)((tablesOf as (all: unknown) => unknown)(protocol)),
);

test.each(modules)("%s is what packages/protocol says; else run: node scripts/python-tables.mjs", (path, content) => {
  expect(readFileSync(join(root, path), "utf8")).toBe(content);
});

test("every class and alias of the table is in the Python module", () => {
  const [, classes] = modules[0] ?? [];
  for (const name of [...Object.keys(protocol.errorTree), ...Object.keys(protocol.errorAliases)]) {
    expect(classes).toMatch(new RegExp(`^(class ${name}\\(|${name} = |    "${name}",$)`, "m"));
  }
});
