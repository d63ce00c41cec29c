import { nearest } from "../command/nearest.js";
import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** One of a fixed list of words. */
export function choice<const Values extends readonly string[]>(label: string, values: Values): ArgType<Values[number]> {
  return {
    label,
    complete: values,
    parse: (value) => {
      if (values.includes(value)) return value;
      const close = nearest(value, values);
      throw invalidArgument(
        `Cannot use "${value.slice(0, 64)}" as ${label}: it is not one of ${values.join(", ")}`,
        close === undefined ? undefined : `Did you mean "${close}"?`,
      );
    },
  };
}

/** The built-in policy profiles, narrowest first. */
export const profile = choice("PROFILE", ["restrictive", "standard", "dev", "permissive"]);
/** How the virtual machine's instructions are executed. */
export const accelerator = choice("ACCEL", ["auto", "kvm", "tcg"]);
/** The isolation a caller can insist on. */
export const isolation = choice("LEVEL", ["hardware"]);
/** How an SDK script is run. */
export const mode = choice("MODE", ["live", "plan", "record"]);
/** Who wrote a log line. */
export const logSource = choice("SOURCE", ["guest", "supervisor"]);
/** The shells completions exist for. */
export const shell = choice("SHELL", ["bash", "zsh", "fish"]);
