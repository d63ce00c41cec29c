import { isTenant } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** A tenant's name; it is the name of a directory. */
export const tenantName: ArgType<string> = {
  label: "TENANT",
  parse: (value) => {
    if (isTenant(value)) return value;
    throw invalidArgument(
      `Cannot use ${JSON.stringify(value.slice(0, 64))} as TENANT: it is not a tenant's name`,
      "Use 1 to 63 letters, digits, - or _, and begin with a letter or digit",
    );
  },
};
