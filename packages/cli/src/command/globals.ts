import { flag } from "./define.js";

/** Options every verb understands, before and after the verb. */
export const globalOptions = {
  help: flag("Show this help", { short: "h" }),
  json: flag("Print one JSON document on stdout (one object a line where it streams), errors included"),
  quiet: flag("Print results and errors only", { short: "q" }),
  debug: flag("Print stack traces and what is asked of the daemon on stderr; the same as MVM_DEBUG=1"),
} as const;

/** Values of {@link globalOptions}. */
export interface Globals {
  readonly help: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
}

/**
 * Whether an unreadable command line asks for JSON errors: any `--json` before a `--`.
 * Only used when parsing failed, so that a word of the guest's command never decides it.
 */
export function wantsJson(line: readonly string[]): boolean {
  const end = line.indexOf("--");
  return line.slice(0, end < 0 ? undefined : end).includes("--json");
}
