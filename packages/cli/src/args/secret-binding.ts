import { validateEnvName } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** A stored secret and the variable of the guest that holds its placeholder. */
export interface SecretBinding {
  readonly variable: string;
  readonly secret: string;
}

/** `ENV=NAME`: two names. What is not a name is never repeated: a value may have been typed by mistake. */
export const secretBinding: ArgType<SecretBinding> = {
  label: "ENV=NAME",
  parse: (text) => {
    const match = /^(\w+)=([A-Za-z0-9][A-Za-z0-9_.-]{0,127})$/.exec(text);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw invalidArgument(
        "Cannot use a secret: it is not of the form ENV=NAME",
        "Store the value with `mvmctl secret put NAME` and give its name here",
      );
    }
    return { variable: validateEnvName(match[1]), secret: match[2] };
  },
};
