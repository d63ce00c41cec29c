import { usageError } from "../errors.js";
import { globalOptions } from "./globals.js";
import { nearest } from "./nearest.js";
import type { Group, Registry, Verb } from "./registry.js";
import { tokenize, unknownOption } from "./tokens.js";

const root = "mvmctl";
const rootOptions = {
  ...globalOptions,
  version: { kind: "flag", short: "V", summary: "Print the version" },
} as const;

/** What a command line names: a verb, a group without a verb, or nothing. */
export type Resolved =
  | { readonly kind: "verb"; readonly name: string; readonly verb: Verb; readonly rest: readonly string[] }
  | { readonly kind: "group"; readonly name: string; readonly group: Group; readonly flags: ReadonlySet<string> }
  | { readonly kind: "none"; readonly flags: ReadonlySet<string> };

/** Finds the verb; global options in front of it are handed on to it. */
export function resolve(registry: Registry, line: readonly string[]): Resolved {
  return find(registry, line, root, undefined);
}

function find(registry: Registry, line: readonly string[], path: string, inside: Group | undefined): Resolved {
  const flags = new Set<string>();
  for (const token of tokenize(line, rootOptions)) {
    if (token.kind === "option") {
      const spelled = token.rawName === `--${token.name}` || token.rawName.length === 2;
      if (!Object.hasOwn(rootOptions, token.name) || !spelled) throw unknownOption(token, rootOptions, path);
      if (token.value !== undefined) throw usageError(`Cannot read ${token.rawName}: it takes no value`);
      flags.add(token.name);
      continue;
    }
    if (token.kind === "option-terminator") {
      throw usageError(
        "Cannot read the command line: no verb stands before `--`",
        `Run \`${path} --help\` for the verbs`,
      );
    }
    const before = line.slice(0, token.index);
    return enter(registry, token.value, [...before, ...line.slice(token.index + 1)], path);
  }
  return inside === undefined ? { kind: "none", flags } : { kind: "group", name: path, group: inside, flags };
}

function enter(registry: Registry, typed: string, rest: readonly string[], path: string): Resolved {
  // What people try first: `help`, and `help VERB`.
  if (typed === "help" && path === root) return find(registry, [...rest, "--help"], path, undefined);
  let entry = Object.hasOwn(registry, typed) ? registry[typed] : undefined;
  let name = typed;
  if (entry?.kind === "alias") {
    name = entry.of;
    entry = registry[name];
  }
  if (entry?.kind === "group") return find(entry.verbs, rest, `${path} ${name}`, entry);
  if (entry?.kind === "verb") return { kind: "verb", name: `${path} ${name}`, verb: entry, rest };
  const close = nearest(typed, Object.keys(registry));
  throw usageError(
    `Cannot run "${typed.slice(0, 64)}": ${path} has no such verb`,
    close === undefined ? `Run \`${path} --help\` for the verbs` : `Did you mean \`${path} ${close}\`?`,
  );
}
