import type { CommandResultDocument } from "../api/results.js";
import type { CommandResult } from "./command-result.js";

/** The command result of the HTTP API and of `--json`, from the one the SDK returns. */
export function commandResultToDocument(result: CommandResult): CommandResultDocument {
  const { timings } = result;
  return {
    schema_version: 1,
    run_id: result.runId,
    audit_id: result.auditId,
    sandbox_id: result.sandboxId,
    exit_code: result.exitCode,
    signal: result.signal,
    timed_out: result.timedOut,
    oom_killed: result.oomKilled,
    stdout: result.stdout,
    stderr: result.stderr,
    ...(result.stdoutBase64 === undefined ? {} : { stdout_base64: result.stdoutBase64 }),
    ...(result.stderrBase64 === undefined ? {} : { stderr_base64: result.stderrBase64 }),
    stdout_bytes: result.stdoutBytes,
    stderr_bytes: result.stderrBytes,
    stdout_truncated: result.stdoutTruncated,
    stderr_truncated: result.stderrTruncated,
    ...(result.spillBytes === undefined ? {} : { spill_bytes: result.spillBytes }),
    duration_ms: result.durationMs,
    timings:
      timings === null
        ? null
        : { create_ms: timings.createMs, exec_ms: timings.execMs, total_ms: timings.totalMs, start: timings.start },
    isolation: result.isolation === null ? null : { ...result.isolation },
    receipt_path: result.receipt,
  };
}

/** The SDK's command result, from the document the daemon sends. Fields of a newer daemon are dropped. */
export function commandResultFromDocument(document: CommandResultDocument): CommandResult {
  const { timings, isolation } = document;
  return {
    exitCode: document.exit_code,
    signal: document.signal,
    timedOut: document.timed_out,
    oomKilled: document.oom_killed,
    stdout: document.stdout,
    stderr: document.stderr,
    ...(document.stdout_base64 === undefined ? {} : { stdoutBase64: document.stdout_base64 }),
    ...(document.stderr_base64 === undefined ? {} : { stderrBase64: document.stderr_base64 }),
    stdoutBytes: document.stdout_bytes,
    stderrBytes: document.stderr_bytes,
    stdoutTruncated: document.stdout_truncated,
    stderrTruncated: document.stderr_truncated,
    ...(document.spill_bytes === undefined ? {} : { spillBytes: document.spill_bytes }),
    durationMs: document.duration_ms,
    runId: document.run_id,
    auditId: document.audit_id,
    sandboxId: document.sandbox_id,
    timings: timings
      ? { createMs: timings.create_ms, execMs: timings.exec_ms, totalMs: timings.total_ms, start: timings.start }
      : null,
    isolation: isolation
      ? { backend: isolation.backend, accel: isolation.accel, isolation: isolation.isolation }
      : null,
    receipt: document.receipt_path,
  };
}
