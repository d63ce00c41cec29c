import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { globalOptions } from "../src/command/globals.js";
import { loadAll } from "../src/command/registry.js";
import { registry } from "../src/commands/index.js";
import { reference } from "../src/docs/reference.js";
import { verbHelp } from "../src/render/help.js";
import { parse } from "../src/command/parse.js";
import { resolve } from "../src/command/resolve.js";

const page = fileURLToPath(new URL("../../../docs/cli.md", import.meta.url));
const verbs = await loadAll(registry);

test("docs/cli.md says what the table of verbs says", () => {
  const text = reference(verbs);
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(page, text);
  expect(readFileSync(page, "utf8")).toBe(text);
});

test.each(verbs.map((verb) => [verb.name, verb.command] as const))(
  "the help of %s fits 80 columns, but for what is to be copied",
  (name, command) => {
    const examples = new Set(command.examples.map(([line]) => `  mvmctl ${line}`));
    const long = verbHelp(`mvmctl ${name}`, command, 80)
      .split("\n")
      .filter((line) => line.length > 80 && !examples.has(line));
    expect(long).toEqual([]);
  },
);

test.each(verbs.map((verb) => [verb.name, verb] as const))(
  "%s: summaries, options and examples are in order",
  (name, { command }) => {
    expect(command.summary).toMatch(/^[A-Z].*[^.]$/);
    for (const [option, spec] of Object.entries(command.options)) {
      expect(option).toMatch(/^[a-z][a-z0-9-]*$/);
      expect(spec.summary).toMatch(/^[A-Z].*[^.]$/);
      expect(Object.keys(globalOptions)).not.toContain(option);
    }
    for (const [line] of command.examples) {
      const typed = shellWords(line);
      const resolved = resolve(registry, typed);
      expect(resolved.kind).toBe("verb");
      if (resolved.kind !== "verb") return;
      expect(resolved.name).toBe(`mvmctl ${name}`);
      parse(resolved.name, command, resolved.rest).input();
    }
  },
);

/** The words of an example before its first pipe or redirection. */
function shellWords(line: string): string[] {
  const command = line.split(/ [|<>] /)[0] ?? "";
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}
