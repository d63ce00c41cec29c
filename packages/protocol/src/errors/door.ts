import { isSandboxError, type SandboxError } from "./base.js";
import { createError } from "./registry.js";
import type { ErrorCode } from "./table.js";

/** What the place that caught a foreign failure knows about it. */
export interface FailurePoint {
  /** Whether anything was sent or started before it failed. Decides between `not_started` and `unknown`. */
  readonly dispatched: boolean;
  /** The call that failed, e.g. `files.write`. */
  readonly operation: string;
  /** Whether repeating the operation is harmless, so that a lost answer is no unknown outcome. Default false. */
  readonly idempotent?: boolean;
  readonly sandboxId?: string | null;
  readonly runId?: string | null;
  readonly context?: Readonly<Record<string, unknown>>;
}

const connectionLost = new Set(["EPIPE", "ECONNRESET", "ECONNABORTED", "ENOTCONN", "ERR_STREAM_PREMATURE_CLOSE"]);
const exhausted = new Set(["EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT"]);

interface Foreign {
  readonly errno: string;
  readonly syscall: string;
  readonly name: string;
  readonly text: string;
}

function describe(thrown: unknown): Foreign {
  const value = (typeof thrown === "object" && thrown !== null ? thrown : {}) as Record<string, unknown>;
  const read = (key: string): string => (typeof value[key] === "string" ? value[key] : "");
  const text = read("message") || (typeof thrown === "string" ? thrown : "an unknown failure");
  return { errno: read("code"), syscall: read("syscall"), name: read("name"), text: text.slice(0, 500) };
}

function lostCode(at: FailurePoint): ErrorCode {
  return at.dispatched && at.idempotent !== true ? "OUTCOME_UNKNOWN" : "TRANSPORT_FAILED";
}

function codeOf(foreign: Foreign, at: FailurePoint): ErrorCode {
  const { errno, syscall, name } = foreign;
  if (name === "TimeoutError" || errno === "ETIMEDOUT") return "DEADLINE_EXCEEDED";
  if (syscall === "connect") {
    if (errno === "EAGAIN") return "COMMUNICATION_TRANSIENT";
    return errno === "ENOENT" || errno === "ECONNREFUSED" ? "DAEMON_UNAVAILABLE" : "TRANSPORT_FAILED";
  }
  if (exhausted.has(errno)) return "VM_CAPACITY";
  if (syscall.startsWith("spawn")) return errno === "EAGAIN" ? "VM_CAPACITY" : "VM_DEPENDENCY";
  if (connectionLost.has(errno)) return lostCode(at);
  return "INTERNAL";
}

/**
 * The single door for failures that are not ours: system errors, library errors, anything thrown. Errors of mvm pass
 * through unchanged. The outcome is `not_started` unless something had been dispatched.
 */
export function toSandboxError(thrown: unknown, at: FailurePoint): SandboxError {
  if (isSandboxError(thrown)) return thrown;
  const foreign = describe(thrown);
  const code = codeOf(foreign, at);
  const retry = code === "TRANSPORT_FAILED" && (!at.dispatched || at.idempotent) ? ({ retry: "safe" } as const) : {};
  return createError(code, {
    message: `Cannot finish ${at.operation}: ${foreign.text}`,
    outcome: at.dispatched ? "unknown" : "not_started",
    operation: at.operation,
    sandboxId: at.sandboxId ?? null,
    runId: at.runId ?? null,
    context: { ...at.context, ...(foreign.errno && { errno: foreign.errno }) },
    cause: thrown,
    ...retry,
  });
}
