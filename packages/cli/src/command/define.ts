import type { Context } from "../output/context.js";
import type { ArgType, CommandSpec, OptionSpec, OptionSpecs, PositionalSpec } from "./spec.js";

/** An option whose parsed type is known to the compiler. */
export type Option<T> = OptionSpec & { readonly valueType?: T };
/** A positional whose parsed type is known to the compiler. */
export type Positional<T> = PositionalSpec & { readonly valueType?: T };

type Extra = { readonly short?: string; readonly defaultText?: string };

/** `--name`: present or not. */
export function flag(summary: string, extra: Extra = {}): Option<boolean> {
  return { kind: "flag", summary, ...extra };
}

/** The same option where it can only be refused: understood, and offered by neither help, completion nor documentation. */
export function hidden<T>(spec: Option<T>): Option<T> {
  return { ...spec, hidden: true };
}

/** Options that are offered. */
export function offered(options: OptionSpecs): OptionSpecs {
  return Object.fromEntries(Object.entries(options).filter(([, option]) => option.hidden !== true));
}

/** `--name VALUE`: given at most once. */
export function option<T>(type: ArgType<T>, summary: string, extra: Extra = {}): Option<T | undefined> {
  return { kind: "value", type, summary, ...extra };
}

/** `--name VALUE`: may be repeated. */
export function list<T>(type: ArgType<T>, summary: string, extra: Extra = {}): Option<T[]> {
  return { kind: "list", type, summary, ...extra };
}

/** A required word. */
export function word<T>(name: string, type: ArgType<T>, summary: string): Positional<T> {
  return { name, type, summary, arity: "one" };
}

/** A word that may be left out. */
export function optionalWord<T>(name: string, type: ArgType<T>, summary: string): Positional<T | undefined> {
  return { name, type, summary, arity: "optional" };
}

/** One word or more. */
export function words<T>(name: string, type: ArgType<T>, summary: string): Positional<T[]> {
  return { name, type, summary, arity: "some" };
}

type ValuesOf<O> = { readonly [K in keyof O]: O[K] extends { readonly valueType?: infer T } ? T : never };
type WordsOf<P> = { readonly [K in keyof P]: P[K] extends { readonly valueType?: infer T } ? T : never };

/** What a verb's handler receives: every word parsed. */
export interface Input<P, O> {
  readonly words: WordsOf<P>;
  readonly options: ValuesOf<O>;
  /** The guest's command, byte for byte. */
  readonly argv: readonly string[];
}

/** The input of a verb nobody knows the type of. */
export interface AnyInput {
  readonly words: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly argv: readonly string[];
}

/** A verb: its description as data, and what it does. Returns the exit code; nothing means 0. */
export interface Command extends CommandSpec {
  readonly run: (input: AnyInput, context: Context) => Promise<number | void>;
}

/** Declares a verb; the handler's input is typed from its positionals and options. */
export function command<
  const P extends readonly Positional<unknown>[],
  const O extends Readonly<Record<string, Option<unknown>>>,
>(
  spec: CommandSpec & {
    readonly positionals: P;
    readonly options: O;
    readonly run: (input: Input<P, O>, context: Context) => Promise<number | void>;
  },
): Command {
  return spec as unknown as Command;
}
