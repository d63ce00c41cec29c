import { validateUser } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";

/** A user of the guest. */
export const guestUser: ArgType<string> = { label: "USER", parse: validateUser };
