import { parse, TomlError } from "smol-toml";
import type { Ceilings } from "./ceilings.js";
import type { PolicyProblem, PolicySource } from "./policy-source.js";

const fields: Readonly<Record<string, keyof Ceilings>> = {
  cpu: "cpu",
  memory_mb: "memoryMb",
  disk_mb: "diskMb",
  ttl_seconds: "ttlSeconds",
  sandboxes: "sandboxes",
};

/** Reads `limits.toml`: whole numbers under the names of the request's fields, and `sandboxes`. Anything else is a problem. */
export function readLimits(source: PolicySource): { ceilings: Partial<Ceilings>; problems: PolicyProblem[] } {
  const problems: PolicyProblem[] = [];
  const ceilings: { -readonly [F in keyof Ceilings]?: number } = {};
  let table: Record<string, unknown>;
  try {
    table = parse(source.text, { integersAsBigInt: "asNeeded" });
  } catch (error) {
    const { line, column } = error instanceof TomlError ? error : { line: null, column: null };
    const problem = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "it is not TOML";
    return { ceilings, problems: [{ file: source.path, line, column, problem }] };
  }
  for (const [key, value] of Object.entries(table)) {
    const problem = (text: string): void =>
      void problems.push({ file: source.path, line: lineOf(source.text, key), column: 1, problem: text });
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (field === undefined) problem(`"${key}" is no limit; there are ${Object.keys(fields).join(", ")}`);
    else if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
      problem(`"${key}" is not a whole number from 0`);
    else ceilings[field] = value;
  }
  return { ceilings, problems };
}

function lineOf(text: string, key: string): number | null {
  const at = text.split("\n").findIndex((line) => line.replace(/["'\s[\]]/g, "").startsWith(key));
  return at < 0 ? null : at + 1;
}
