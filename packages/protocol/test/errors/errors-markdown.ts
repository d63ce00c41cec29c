import { errorAliases, errorTable, errorTree, type ErrorName } from "../../src/errors/index.js";

function tree(parent: string | null, indent = ""): string[] {
  return Object.entries(errorTree).flatMap(([name, row]) => {
    if (row.parent !== parent) return [];
    const fields = row.fields.length > 0 ? ` {${row.fields.join(", ")}}` : "";
    return [`${indent}${name}${fields}`, ...tree(name as ErrorName, `${indent}  `)];
  });
}

const code = (text: string): string => `\`${text}\``;

/** docs/errors.md, from the tables that the classes are made of. */
export function errorsMarkdown(): string {
  const rows = Object.entries(errorTable).map(([name, row]) => {
    const facts = [code(name), code(row.class), row.boundary, row.retry, row.outcome, row.exit, row.http];
    const hint = "cliHint" in row ? `${row.hint} · mvmctl: ${row.cliHint}` : row.hint;
    return `| ${[...facts, row.meaning, hint].join(" | ").replaceAll("\n", " ")} |`;
  });
  return [
    "# Errors",
    "",
    "Made from `packages/protocol/src/errors/`; `npx vitest run --project fast packages/protocol -u` writes it again.",
    "",
    "Every failure that mvm reports is a `SandboxError` with `name`, `code`, `message`, `hint`, `boundary`, `retry`, `outcome`,",
    "`operation`, `sandbox_id`, `run_id`, `audit_id` and `context`, the same in both SDKs, in `--json` and in the HTTP API:",
    '`{"schema_version":1,"error":{…}}`. No field ever holds argv, environment values, file content or a secret.',
    "",
    "- `retry`: `safe` = the same call may be made again at once, `ask` = only if its effects allow, `never` = it fails again.",
    "- `outcome`: `not_started` = it had no effect, `completed` = it ran to its end, `unknown` = look before you repeat it.",
    "  The table has the defaults; the place that raises an error says what it knows.",
    "- `error.transient` and `error.permanent` are true exactly for the families of `TransientError` and `PermanentError`.",
    "- An `AbortSignal` is not an error of mvm: the call rejects with the signal's own reason.",
    "",
    "## Classes",
    "",
    "```",
    ...tree(null),
    "```",
    "",
    `Aliases: ${Object.entries(errorAliases)
      .map(([alias, name]) => `${code(alias)} = ${code(name)}`)
      .join(", ")}.`,
    "",
    "## Codes",
    "",
    "`exit` is what `mvmctl` exits with when no guest result exists, `http` the status of the answer.",
    "",
    "| Code | Class | Boundary | Retry | Outcome | Exit | HTTP | Meaning | What to do |",
    "|---|---|---|---|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}
