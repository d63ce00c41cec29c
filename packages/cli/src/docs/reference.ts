import { offered } from "../command/define.js";
import { globalOptions } from "../command/globals.js";
import type { LoadedVerb } from "../command/registry.js";
import type { CommandSpec, OptionSpecs } from "../command/spec.js";
import { optionLabel, optionSummary, usageLine } from "../render/help.js";

const introduction = `# mvmctl

This page is made from the table of verbs by \`UPDATE_DOCS=1 npx vitest run packages/cli/test/docs.test.ts\`; a test compares the two.

Errors go to stderr as \`mvmctl: <ErrorName> [CODE]: <message>\` and a \`hint:\` line; with \`--json\` the error document goes to
stdout as well. \`--json\` prints exactly one document in success and failure, or one object a line where a verb streams.
Progress is shown on terminals only. \`NO_COLOR\`, \`TERM=dumb\` and narrow terminals are respected.`;

const exitCodes: readonly (readonly [string, string])[] = [
  ["0…255", "The guest command's own; 128+n when signal n ended it"],
  ["64", "Usage, or an invalid argument"],
  ["65", "Verification failed"],
  ["69", "The sandbox, the daemon or something they need is unavailable"],
  ["70", "Internal error"],
  ["74", "Transport"],
  ["75", "Transient: try again"],
  ["77", "Denied by policy"],
  ["78", "The backend, or this version, cannot do that"],
  ["124", "The guest command timed out"],
  ["129, 130, 143", "SIGHUP, SIGINT or SIGTERM ended mvmctl; what it ran in a sandbox is killed"],
  ["141", "The reader of stdout went away; what ran in a sandbox is killed"],
];

/** docs/cli.md. */
export function reference(verbs: readonly LoadedVerb[]): string {
  return `${[
    introduction,
    `## Exit codes\n\n${table("Code", "Meaning", exitCodes)}`,
    `## Global options\n\n${optionTable(globalOptions)}`,
    "## Verbs",
    ...verbs.map(verbSection),
  ].join("\n\n")}\n`;
}

function verbSection({ name, aliases, command }: LoadedVerb): string {
  const also = aliases.length === 0 ? "" : ` Also \`${aliases.join("`, `")}\`.`;
  return [
    `### ${name}`,
    `${command.summary}.${also}`,
    ...(command.description ?? []),
    `\`\`\`\n${usageLine(`mvmctl ${name}`, command)}\n\`\`\``,
    words(command),
    optionTable(offered(command.options)),
    exits(command),
    `\`\`\`sh\n${command.examples.map(([line, meaning]) => `# ${meaning}\nmvmctl ${line}`).join("\n")}\n\`\`\``,
  ]
    .filter((text) => text !== "")
    .join("\n\n");
}

function words(command: CommandSpec): string {
  const rows = command.positionals.map(({ name, summary }) => [`\`${name}\``, summary] as const);
  if (command.argv !== undefined) rows.push([`\`${command.argv.label}\``, command.argv.summary]);
  return rows.length === 0 ? "" : table("Argument", "Meaning", rows);
}

function optionTable(options: OptionSpecs): string {
  const rows = Object.entries(options).map(
    ([name, option]) => [`\`${optionLabel(name, option)}\``, optionSummary(option)] as const,
  );
  return rows.length === 0 ? "" : table("Option", "Meaning", rows);
}

function exits(command: CommandSpec): string {
  const rows = Object.entries(command.exits ?? {});
  return rows.length === 0 ? "" : table("Exit code", "Meaning", rows);
}

function table(left: string, right: string, rows: readonly (readonly [string, string])[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  return [`| ${left} | ${right} |`, "|---|---|", ...rows.map(([a, b]) => `| ${cell(a)} | ${cell(b)} |`)].join("\n");
}
