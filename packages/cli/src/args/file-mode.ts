import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** Permissions in octal; setuid, setgid and sticky bits are not among them. */
export const fileMode: ArgType<number> = {
  label: "MODE",
  parse: (text) => {
    if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
    throw invalidArgument(`Cannot use "${text.slice(0, 16)}" as permissions: they are three octal digits such as 644`);
  },
};
