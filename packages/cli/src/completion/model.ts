import { offered } from "../command/define.js";
import { globalOptions } from "../command/globals.js";
import type { LoadedVerb } from "../command/registry.js";
import type { ArgType, Completion, OptionSpec } from "../command/spec.js";

/** What may follow a verb, in the form the scripts for all shells need. */
export interface VerbModel {
  /** `fs read`, also under each of its aliases. */
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionModel[];
  /** What the positionals are, in order; the last one repeats when `repeats`. */
  readonly words: readonly (Completion | undefined)[];
  readonly repeats: boolean;
  /** Whether a command of the guest follows. */
  readonly argv: boolean;
}

/** One option. */
export interface OptionModel {
  readonly long: string;
  readonly short: string | undefined;
  readonly summary: string;
  readonly takesValue: boolean;
  readonly value: Completion | undefined;
}

/** The table of verbs as completion scripts use it. */
export function completionModel(verbs: readonly LoadedVerb[]): VerbModel[] {
  return verbs.flatMap(({ name, aliases, command }) => {
    const last = command.positionals.at(-1);
    const model = {
      summary: command.summary,
      options: Object.entries({ ...offered(command.options), ...globalOptions }).map(([long, option]) =>
        optionModel(long, option),
      ),
      words: command.positionals.map(({ type }) => completionOf(type)),
      repeats: last?.arity === "some" || last?.arity === "many",
      argv: command.argv !== undefined,
    };
    return [name, ...aliases].map((each) => ({ name: each, ...model }));
  });
}

function optionModel(long: string, option: OptionSpec): OptionModel {
  return {
    long,
    short: option.short,
    summary: option.summary,
    takesValue: option.kind !== "flag",
    value: option.type && completionOf(option.type),
  };
}

function completionOf(type: ArgType<unknown>): Completion | undefined {
  return type.complete;
}
