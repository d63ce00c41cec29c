import { type Call, type DaemonClient, segment } from "../client/index.js";

/** Options that every call takes. */
export interface CallOptions {
  /** Aborting gives the call up; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for the daemon; not a limit on commands. @default that of the sandbox's client */
  readonly requestTimeoutMs?: number | undefined;
}

/** One sandbox as its calls see it: the daemon it lives at, and its id. */
export interface Target {
  readonly client: DaemonClient;
  readonly id: string;
}

/** A call about the sandbox: `path` is what follows `/sandboxes/:ref`. */
export function callOf(
  target: Target,
  call: Omit<Call, "path" | "signal" | "timeoutMs" | "sandboxId"> & { readonly path: string },
  options: CallOptions = {},
): Call {
  return {
    ...call,
    path: `/sandboxes/${segment(target.id)}${call.path}`,
    sandboxId: target.id,
    signal: options.signal,
    timeoutMs: options.requestTimeoutMs,
  };
}
