import { parseArgs, type ParseArgsConfig } from "node:util";
import { usageError } from "../errors.js";
import { nearest } from "./nearest.js";
import type { OptionSpecs } from "./spec.js";

/** One option as it stands on the command line. */
export interface OptionToken {
  readonly kind: "option";
  readonly name: string;
  readonly rawName: string;
  readonly index: number;
  readonly value: string | undefined;
  /** `--name=VALUE` in one word. */
  readonly inline: boolean;
}

/** One word of the command line, in order. */
export type Token =
  | OptionToken
  | { readonly kind: "positional"; readonly index: number; readonly value: string }
  | { readonly kind: "option-terminator"; readonly index: number };

/**
 * Splits words into options, positionals and the `--`; decides nothing yet. No option is a digit: `-5m` is a word, which
 * whoever takes it refuses with the range of what it takes.
 */
export function tokenize(line: readonly string[], options: OptionSpecs): readonly Token[] {
  const config: NonNullable<ParseArgsConfig["options"]> = {};
  for (const [name, spec] of Object.entries(options)) {
    config[name] = {
      type: spec.kind === "flag" ? "boolean" : "string",
      ...(spec.short === undefined ? {} : { short: spec.short }),
      multiple: true,
    };
  }
  const parsed = parseArgs({ args: [...line], options: config, strict: false, allowPositionals: true, tokens: true });
  const tokens: Token[] = [];
  for (const token of parsed.tokens) {
    const typed = line[token.index] ?? "";
    if (token.kind !== "option") tokens.push(token);
    else if (!/^-\d/.test(typed)) tokens.push({ ...token, inline: token.inlineValue === true });
    else if (tokens.at(-1)?.index !== token.index)
      tokens.push({ kind: "positional", index: token.index, value: typed });
  }
  return tokens;
}

/** Refuses an option the verb does not have, suggesting the nearest one. */
export function unknownOption(token: OptionToken, options: OptionSpecs, verb: string): Error {
  const close = token.rawName.startsWith("--") ? nearest(token.name, Object.keys(options)) : undefined;
  return usageError(
    `Cannot read the command line: unknown option "${token.rawName}"`,
    close === undefined ? `Run \`${verb} --help\` for the options` : `Did you mean \`--${close}\`?`,
  );
}
