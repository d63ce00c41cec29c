import { validateName, validateRef } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";

/** A sandbox by its name or id. */
export const sandboxRef: ArgType<string> = { label: "NAME", complete: "sandbox", parse: validateRef };

/** The name of a sandbox that is to be created; nothing to complete. */
export const newSandboxName: ArgType<string> = { label: "NAME", parse: validateName };
