import type { AgentEvent } from "@mvm/protocol";

/**
 * The host's end of the channel, as the rest of the daemon sees it. Bytes and frames stay behind it.
 * Message shapes: docs/channel.md.
 */

/** One request in flight. It ends exactly once: `result` settles, and nothing is called afterwards. */
export interface AgentStream {
  /** RESULT, or rejects with a typed error whose `outcome` says whether the guest may have acted. */
  readonly result: Promise<unknown>;
  /** Sends DATA within the guest's credit; true when all bytes are on the channel, false when the stream ended before. */
  write(data: Uint8Array): Promise<boolean>;
  /** Sends END: no more data from the host. Idempotent. */
  end(): void;
  /** Asks the guest to stop; `result` still settles by itself. Idempotent. */
  cancel(): void;
  /** Hands `bytes` of credit back to the guest; only with `manualCredit`. */
  grant(bytes: number): void;
}

export interface StreamHandlers {
  readonly onEvent?: (event: AgentEvent) => void;
  /** stdout, file content or tunnel bytes. Valid only until the handler returns: it may share memory with the channel's buffer. */
  readonly onData?: (data: Uint8Array) => void;
  readonly onDataErr?: (data: Uint8Array) => void;
  readonly onEnd?: () => void;
  /** Default: consumed bytes are granted back as soon as the handler returns. With this the handler's owner calls `grant`. */
  readonly manualCredit?: boolean;
}

export interface ResumeFields {
  readonly hostname: string;
  readonly machineId: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Certificate that programs shall believe from now on, PEM. Default: none. */
  readonly authority?: string;
  readonly adopted?: boolean;
  /** Milliseconds to set the guest's clock back by. Default: none. */
  readonly clockBackMs?: number;
}

export interface AgentSession {
  /** What the guest's agent said of itself. Settles once WELCOME and RESUMED are in. */
  readonly ready: Promise<{ agent: string; caps: readonly string[] }>;
  /** Opens a stream. Requests may be opened before `ready` and are pipelined behind HELLO and RESUME. */
  open(request: { readonly op: string } & Record<string, unknown>, handlers?: StreamHandlers): AgentStream;
  /** A request without data: resolves with its RESULT. */
  call(
    request: { readonly op: string } & Record<string, unknown>,
    options?: { signal?: AbortSignal; deadlineMs?: number },
  ): Promise<Record<string, unknown>>;
  /** Whether the guest has answered this session. */
  readonly greeted: boolean;
  /**
   * Sets the guest's clock right and reseeds its randomness after its vCPUs stood still; greets a guest that was adopted while
   * it was paused. Resolves with the guest's answer.
   * @param become gives the guest another name and environment too
   * @throws like `ready`
   */
  refresh(become?: ResumeFields): Promise<void>;
  /** Resolves when the session is over, with the reason; streams still open are rejected with OutcomeUnknownError before. */
  readonly closed: Promise<{ reason: "closed" | "machine_gone" | "protocol_violation"; detail: string }>;
  close(): void;
}
