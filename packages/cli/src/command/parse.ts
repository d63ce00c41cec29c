import { createError, isErrorCode, isSandboxError } from "@mvm/protocol/errors";
import { usageError } from "../errors.js";
import { type AnyInput, offered } from "./define.js";
import { globalOptions, type Globals } from "./globals.js";
import { parsePositionals } from "./positionals.js";
import type { CommandSpec, OptionSpec, OptionSpecs } from "./spec.js";
import { type OptionToken, type Token, tokenize, unknownOption } from "./tokens.js";

/** A parsed command line of one verb. */
export interface Parsed {
  readonly globals: Globals;
  /** Parses the values; called only when the verb is to run, so that `--help` works on an incomplete line. */
  readonly input: () => AnyInput;
}

/**
 * Reads the words after a verb. Options may stand between positionals; the guest's command begins after `--` or at the
 * first word that no positional takes, and from there on every word is kept as it is.
 */
export function parse(verb: string, spec: CommandSpec, line: readonly string[]): Parsed {
  const options: OptionSpecs = { ...spec.options, ...globalOptions };
  const tokens = tokenize(line, options);
  const { own, argv } = splitArgv(spec, tokens, line);
  const given = new Map<string, OptionToken[]>();
  for (const token of own) {
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined || !spelledInFull(token, option)) throw unknownOption(token, offered(options), verb);
    checkValue(forgottenValue(token, options) ? { ...token, value: undefined } : token, option);
    given.set(token.name, [...(given.get(token.name) ?? []), token]);
  }
  const globals = {
    help: given.has("help"),
    json: given.has("json"),
    quiet: given.has("quiet"),
    debug: given.has("debug"),
  };
  const texts = own.flatMap((token) => (token.kind === "positional" ? [token.value] : []));
  return {
    globals,
    input: () => ({
      words: parsePositionals(verb, spec, texts),
      options: parseOptions(spec.options, given),
      argv: requireArgv(verb, spec, argv),
    }),
  };
}

function splitArgv(spec: CommandSpec, tokens: readonly Token[], line: readonly string[]) {
  if (spec.argv === undefined) return { own: tokens, argv: [] };
  let positionals = 0;
  for (const token of tokens) {
    const terminator = token.kind === "option-terminator";
    if (!terminator && !(token.kind === "positional" && ++positionals > spec.positionals.length)) continue;
    const own = tokens.filter((other) => other.index < token.index);
    return { own, argv: line.slice(token.index + (terminator ? 1 : 0)) };
  }
  return { own: tokens, argv: [] };
}

/** `-r` and `--recursive` are the same token to the tokenizer; `-recursive` and `--r` are not options. */
function spelledInFull(token: OptionToken, option: OptionSpec): boolean {
  return token.rawName === `--${token.name}` || token.rawName === `-${option.short}`;
}

function checkValue(token: OptionToken, option: OptionSpec): void {
  if (option.kind === "flag" && token.value !== undefined) {
    throw usageError(`Cannot read ${token.rawName}: it takes no value`);
  }
  if (option.kind !== "flag" && token.value === undefined) {
    throw usageError(`Cannot read ${token.rawName}: it needs a value, ${option.type?.label ?? "VALUE"}`);
  }
}

/** `--cpus --memory 1G`: what follows is an option of the verb, not the value that was forgotten. */
function forgottenValue(token: OptionToken, options: OptionSpecs): boolean {
  return !token.inline && token.value?.startsWith("--") === true && Object.hasOwn(options, token.value.slice(2));
}

function parseOptions(specs: OptionSpecs, given: ReadonlyMap<string, OptionToken[]>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const tokens = given.get(name) ?? [];
    if (spec.kind === "flag") values[name] = tokens.length > 0;
    else if (spec.kind === "list") values[name] = tokens.map((token) => parseValue(token, spec));
    else if (tokens.length > 1) throw usageError(`Cannot read --${name}: it is given ${tokens.length} times`);
    else values[name] = tokens[0] === undefined ? undefined : parseValue(tokens[0], spec);
  }
  return values;
}

function parseValue(token: OptionToken, spec: OptionSpec): unknown {
  try {
    return spec.type?.parse(token.value ?? "");
  } catch (thrown) {
    if (!isSandboxError(thrown) || thrown.message.includes(token.rawName)) throw thrown;
    const { hint, context } = thrown;
    const code = isErrorCode(thrown.code) ? thrown.code : "INVALID_ARGUMENT";
    throw createError(code, { message: named(token.rawName, thrown.message), hint, context });
  }
}

/** The parser's message, which knows the kind of value but not which option it was for. */
function named(option: string, message: string): string {
  const value = /^Cannot use (.*?) as [^":]+: (.*)$/s.exec(message);
  if (value !== null) return `Cannot use ${value[1]} as ${option}: ${value[2]}`;
  return `Cannot read ${option}: ${message.slice(0, 1).toLowerCase()}${message.slice(1)}`;
}

function requireArgv(verb: string, spec: CommandSpec, argv: readonly string[]): readonly string[] {
  if (spec.argv !== undefined && spec.argv.optional !== true && argv.length === 0) {
    throw usageError(
      `Cannot ${verb.replace("mvmctl ", "")}: no command is given`,
      `Put it after \`--\`: \`${verb} … -- ARGV…\``,
    );
  }
  return argv;
}
