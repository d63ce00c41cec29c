import type { AgentErrorKind, AgentErrorMessage } from "../agent/errors.js";
import type { SandboxError } from "./base.js";
import { createError } from "./registry.js";
import type { ErrorCode } from "./table.js";

/** Which code each kind of the agent's errors becomes. `denied` is a policy of the file API, the rest are the guest's. */
export const codeOfAgentError: { readonly [Kind in AgentErrorKind]: ErrorCode } = {
  invalid: "GUEST_INVALID",
  not_found: "FILE_NOT_FOUND",
  exists: "FILE_EXISTS",
  denied: "FILE_DENIED",
  special: "FILE_SPECIAL",
  not_directory: "FILE_NOT_DIRECTORY",
  is_directory: "FILE_IS_DIRECTORY",
  not_empty: "FILE_NOT_EMPTY",
  no_space: "FILE_NO_SPACE",
  read_only: "FILE_READ_ONLY",
  limit: "GUEST_LIMIT",
  unavailable: "GUEST_UNAVAILABLE",
  io: "FILE_IO",
  protocol: "PROTOCOL_VIOLATION",
  unsupported: "GUEST_UNSUPPORTED",
  cancelled: "CANCELLED",
};

/** Operations whose `not_found` means a process, not a file. */
const processOps = new Set(["signal", "resize", "attach"]);

/** For a directory that stays as long as the sandbox does. */
const keptHint = "Remove what is in it instead: /, the home directory, /proc, /sys and /dev themselves stay";

/** The error for an ERROR frame: `op` is the agent's operation, `operation` the call of the API it served. */
export function fromAgentError(
  answer: AgentErrorMessage,
  at: { readonly op: string; readonly operation: string; readonly sandboxId?: string; readonly runId?: string },
): SandboxError {
  const code: ErrorCode =
    answer.kind === "not_found" && processOps.has(at.op) ? "PROCESS_NOT_FOUND" : codeOfAgentError[answer.kind];
  return createError(code, {
    message: `Cannot ${at.op} in the sandbox: ${answer.message}`,
    outcome: answer.outcome,
    operation: at.operation,
    sandboxId: at.sandboxId ?? null,
    runId: at.runId ?? null,
    context: { kind: answer.kind, ...(answer.errno !== null && { errno: answer.errno }) },
    response: { ...answer },
    rule: code === "FILE_DENIED" ? "files.path" : null,
    ...(code === "FILE_DENIED" && at.op === "remove" && { hint: keptHint }),
  });
}
