import { validateTags } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** `KEY=VALUE`, a label on a sandbox. */
export const tag: ArgType<readonly [key: string, value: string]> = {
  label: "KEY=VALUE",
  parse: (text) => {
    const at = text.indexOf("=");
    if (at < 0) throw invalidArgument(`Cannot use "${text.slice(0, 64)}" as a tag: it is not KEY=VALUE`);
    validateTags({ [text.slice(0, at)]: text.slice(at + 1) });
    return [text.slice(0, at), text.slice(at + 1)];
  },
};
