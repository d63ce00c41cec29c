import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { errorTable } from "@mvm/protocol/errors";
import { describe, expect, test } from "vitest";
import { globalOptions } from "../src/command/globals.js";
import { parse } from "../src/command/parse.js";
import { loadAll } from "../src/command/registry.js";
import { resolve } from "../src/command/resolve.js";
import { registry } from "../src/commands/index.js";
import { documentOf, run } from "./support/cli.js";
import { json, StandingDaemon } from "./support/standing-daemon.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const verbs = await loadAll(registry);
const commands = new Map(verbs.map(({ name, command }) => [`mvmctl ${name}`, command]));
const optionNames = new Set([
  ...Object.keys(globalOptions),
  "version",
  ...verbs.flatMap(({ command }) => Object.keys(command.options)),
]);

/** Files that say things to people. */
const sources = ["packages", "python/src"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /(?:^|\/)src\/.*\.ts$|\.py$/.test(`${folder}/${file}`) && !/node_modules|\.venv/.test(file))
    .map((file) => join(root, folder, file)),
);
const pages = ["README.md", "THREAT_MODEL.md", "python/README.md", "packages/sdk/README.md"]
  .concat(readdirSync(join(root, "docs")).map((file) => `docs/${file}`))
  .map((file) => join(root, file));

/** Command lines quoted in a text: up to the closing backtick, a pipe or a redirection. */
function quoted(text: string): string[] {
  return [...text.matchAll(/`(?:\.\/)?(mvmctl [^`]+?)\\?`/g)].map(([, line = ""]) => line.split(/ [|<>]| 2>/)[0] ?? "");
}

/** What is wrong with a quoted command line; undefined when each verb and option in it exists. */
function problem(line: string): string | undefined {
  const typed = line
    .replaceAll(/\$\{[^}]*\}/g, "NAME")
    .replaceAll("…", "")
    .trim()
    .split(/\s+/)
    .slice(1);
  if (typed[0] === undefined || /^[A-Z]/.test(typed[0])) return undefined;
  try {
    const resolved = resolve(registry, typed);
    if (resolved.kind !== "verb") return resolved.kind === "none" && typed.length > 0 ? undefined : onlyGroup(typed);
    const command = commands.get(resolved.name);
    if (command !== undefined) parse(resolved.name, command, resolved.rest);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function onlyGroup(typed: readonly string[]): string | undefined {
  return typed.includes("--help") || typed.length === 1 ? undefined : "names no verb";
}

test("every `mvmctl …` that sources and pages quote names verbs and options that exist", () => {
  const lines = [...sources, ...pages].flatMap((file) =>
    quoted(readFileSync(file, "utf8")).map((line) => ({ at: `${relative(root, file)}: ${line}`, why: problem(line) })),
  );
  expect(lines.length).toBeGreaterThan(80);
  expect(lines.filter(({ why }) => why !== undefined)).toEqual([]);
});

describe.each(Object.entries(errorTable))("%s", (_code, row) => {
  const hint = "cliHint" in row ? row.cliHint : row.hint;

  test("its hint for the command line names options that exist, and nothing of the SDKs or the HTTP API", () => {
    for (const [, option = ""] of hint.matchAll(/--([a-z][a-z0-9-]*)/g)) expect(optionNames).toContain(option);
    expect(hint).not.toMatch(/`[a-z]+[A-Z]\w*`|\w+\(\)|\b[a-z]+_[a-z]+\b|[a-z]+: (?:true|false)/);
  });
});

// `script/` starts other programs, with options of theirs.
test("hints of this program name options that exist", () => {
  for (const file of sources.filter((each) => /packages\/cli\/src\/(?!script\/)/.test(each))) {
    for (const [, text = ""] of readFileSync(file, "utf8").matchAll(/"([^"\n]*--[a-z][^"\n]*)"/g)) {
      for (const [, option = ""] of text.matchAll(/(?<![\w-])--([a-z][a-z0-9-]*)/g)) {
        expect(optionNames, `${relative(root, file)}: ${text}`).toContain(option);
      }
    }
  }
});

test("an error of the daemon is shown in the words of the command line, a hint of its own as it is", async () => {
  const hint = errorTable.FILE_NOT_FOUND.hint;
  const document = (own: string) =>
    json(
      { schema_version: 1, error: { name: "GuestAgentError", code: "FILE_NOT_FOUND", message: "Cannot", hint: own } },
      404,
    );
  const daemon = await StandingDaemon.start({
    "GET /v1/sandboxes/box/files/stat": document(hint),
    "GET /v1/sandboxes/other/files/stat": document("Look elsewhere"),
  });
  try {
    const { home } = daemon;
    expect((await run(["fs", "stat", "box", "x"], { home })).stderr).toContain(
      "hint: List the directory with `mvmctl fs ls",
    );
    const shown = documentOf(await run(["fs", "stat", "box", "x", "--json"], { home })).error;
    expect(shown).toMatchObject({ hint: errorTable.FILE_NOT_FOUND.cliHint });
    expect((await run(["fs", "stat", "other", "x"], { home })).stderr).toContain("hint: Look elsewhere\n");
  } finally {
    await daemon.stop();
  }
});

test("snapshot prune without a bound names its own options, and asks nothing of the daemon", async () => {
  const ran = await run(["snapshot", "prune"]);
  expect([ran.code, ran.stderr]).toEqual([64, expect.stringContaining("--keep-last, --max-age or --quota")]);
});
