import { validateEnv } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import type { ArgType } from "../command/spec.js";

/** A variable of the guest's environment. */
export type EnvAssignment = Readonly<Record<string, string>>;

/** `NAME=VALUE`. The value may be anything but NUL, and no message ever holds it. */
export const envAssignment: ArgType<EnvAssignment> = {
  label: "K=V",
  parse: (text) => {
    const at = text.indexOf("=");
    if (at >= 0) return validateEnv({ [text.slice(0, at)]: text.slice(at + 1) });
    throw createError("ENV_INVALID", {
      message: "Cannot set an environment variable: it has no value",
      hint: "Write `--env NAME=VALUE`",
    });
  },
};

/** The variables as the API takes them, later ones first in rank; undefined when there are none. */
export function envRecord(assignments: readonly EnvAssignment[]): Record<string, string> | undefined {
  return assignments.length === 0 ? undefined : validateEnv(Object.assign({}, ...assignments));
}
