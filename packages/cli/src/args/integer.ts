import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** A whole number in a range, in decimal digits only. */
export function integer(label: string, least: number, most: number): ArgType<number> {
  return {
    label,
    parse: (value) => {
      const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
      if (number >= least && number <= most) return number;
      throw invalidArgument(
        `Cannot use "${value.slice(0, 64)}" as ${label}: it is not a whole number from ${least} to ${most}`,
      );
    },
  };
}
