import { invalidArgument } from "../errors.js";
import type { ArgType } from "../command/spec.js";

/** Any text but NUL, which no system call takes. */
export function text(label: string): ArgType<string> {
  return {
    label,
    parse: (value) => {
      if (value === "" || value.includes("\0"))
        throw invalidArgument(`Cannot use ${label}: it is empty or holds a NUL`);
      return value;
    },
  };
}
