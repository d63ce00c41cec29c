import type { CodeLanguage, CodeResultDocument, ContextEnd } from "@mvm/protocol";

/** What the code raised, as the process that ran it tells. */
export interface CodeError {
  /** The exception's class, or `ContextEnded` when the context did not live to tell. */
  readonly name: string;
  readonly value: string;
  readonly traceback: string;
}

/** One rich output by MIME type: text as it is, binary data (`image/png`) in base64. */
export type CodeOutput = Readonly<Record<string, string>>;

/** What came of a call, whatever it was: an exception, a time limit and a dead interpreter are results too. */
export interface CodeResult {
  readonly runId: string;
  /** The call's entry in the audit log. */
  readonly auditId: string | null;
  readonly sandboxId: string;
  readonly language: CodeLanguage;
  readonly context: string;
  /** The call began with an interpreter that had run nothing yet. */
  readonly contextFresh: boolean;
  /** Why the context ended in this call; the next call of that name gets a fresh one. Null: it goes on. */
  readonly contextEnded: ContextEnd | null;
  /** Text of the last expression; null when there is none or it is None or undefined. */
  readonly value: string | null;
  /** Rich forms of the last expression, of what was displayed, and of open figures. */
  readonly outputs: readonly CodeOutput[];
  /** Outputs left out because all of them together were too large. */
  readonly outputsDropped: number;
  readonly error: CodeError | null;
  /** Status of an interpreter that exited; null otherwise. */
  readonly exitCode: number | null;
  /** Name of the signal that ended the interpreter; null otherwise. */
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly oomKilled: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** The kept bytes, when they are not UTF-8. */
  readonly stdoutBase64?: string;
  readonly stderrBase64?: string;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly stdoutTruncated: boolean;
  readonly stderrTruncated: boolean;
  readonly durationMs: number;
  /** Path of the receipt on the host; null when it could not be written. */
  readonly receipt: string | null;
}

/** The result as the API sends it. */
export function codeResult(document: CodeResultDocument): CodeResult {
  return {
    runId: document.run_id,
    auditId: document.audit_id,
    sandboxId: document.sandbox_id,
    language: document.language,
    context: document.context,
    contextFresh: document.context_fresh,
    contextEnded: document.context_ended,
    value: document.value,
    outputs: document.outputs,
    outputsDropped: document.outputs_dropped,
    error: document.error,
    exitCode: document.exit_code,
    signal: document.signal,
    timedOut: document.timed_out,
    oomKilled: document.oom_killed,
    stdout: document.stdout,
    stderr: document.stderr,
    ...(document.stdout_base64 !== undefined && { stdoutBase64: document.stdout_base64 }),
    ...(document.stderr_base64 !== undefined && { stderrBase64: document.stderr_base64 }),
    stdoutBytes: document.stdout_bytes,
    stderrBytes: document.stderr_bytes,
    stdoutTruncated: document.stdout_truncated,
    stderrTruncated: document.stderr_truncated,
    durationMs: document.duration_ms,
    receipt: document.receipt_path,
  };
}
