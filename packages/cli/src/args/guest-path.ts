import { validateGuestPath } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";

/** A path in the sandbox, absolute or relative to /home/user. The same paths are refused as in the guest. */
export const guestPath: ArgType<string> = { label: "PATH", parse: validateGuestPath };
