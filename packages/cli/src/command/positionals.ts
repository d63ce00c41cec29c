import { usageError } from "../errors.js";
import type { CommandSpec, PositionalSpec } from "./spec.js";

/** Hands the words to the positionals in order; too few or too many are usage errors. */
export function parsePositionals(verb: string, spec: CommandSpec, texts: readonly string[]): unknown[] {
  const left = [...texts];
  const values = spec.positionals.map((positional) => {
    if (positional.arity === "some" || positional.arity === "many") {
      const rest = left.splice(0);
      if (positional.arity === "some" && rest.length === 0) throw missing(verb, positional);
      return rest.map((text) => positional.type.parse(text));
    }
    const text = left.shift();
    if (text !== undefined) return positional.type.parse(text);
    if (positional.arity === "one") throw missing(verb, positional);
    return undefined;
  });
  if (left.length > 0) {
    const count = left.length === 1 ? "one word" : `${left.length} words`;
    throw usageError(`Cannot read the command line: ${count} too many`, `Run \`${verb} --help\` for the usage`);
  }
  return values;
}

function missing(verb: string, positional: PositionalSpec): Error {
  return usageError(
    `Cannot read the command line: ${positional.name} is missing`,
    `Run \`${verb} --help\` for the usage`,
  );
}
