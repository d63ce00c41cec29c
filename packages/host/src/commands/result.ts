import { signalName, type CommandResult, type CommandTimings, type ExecResult } from "@mvm/protocol";
import { isolationOf } from "../sandboxes/info.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { CommandEnd, Process } from "./process.js";

/** Status of a command that was ended by its time limit. */
const timedOutStatus = 124;

/** The one place that makes a command's result: of run, of exec, of background commands, complete or cut short. */
export function commandResult(
  sandbox: Sandbox,
  process: Process,
  end: CommandEnd,
  timings: CommandTimings,
): CommandResult {
  const [stdout, stderr] = [process.stdout.result(), process.stderr.result()];
  const { guest } = end;
  return {
    exitCode: exitCodeOf(guest),
    signal: guest.signal === null ? null : signalName(guest.signal),
    timedOut: guest.timed_out,
    oomKilled: guest.oom_killed,
    stdout: stdout.text,
    stderr: stderr.text,
    ...(stdout.base64 !== undefined && { stdoutBase64: stdout.base64 }),
    ...(stderr.base64 !== undefined && { stderrBase64: stderr.base64 }),
    stdoutBytes: stdout.bytes,
    stderrBytes: stderr.bytes,
    stdoutTruncated: stdout.truncated,
    stderrTruncated: stderr.truncated,
    ...(guest.spill_bytes !== undefined && { spillBytes: guest.spill_bytes }),
    durationMs: rounded(end.durationMs),
    runId: process.runId,
    auditId: null,
    sandboxId: sandbox.id,
    timings,
    isolation: isolationDocument(sandbox),
    receipt: null,
  };
}

/** A guest that could not be asked any more: what is known is that the time is over. */
export function endOfHungGuest(durationMs: number): CommandEnd {
  return {
    guest: {
      exit_code: null,
      signal: 9,
      timed_out: true,
      oom_killed: false,
      stdout_bytes: 0,
      stderr_bytes: 0,
      duration_ms: durationMs,
      cpu_ms: 0,
    },
    durationMs,
  };
}

function exitCodeOf(guest: ExecResult): number {
  if (guest.signal === null) return guest.exit_code ?? 255;
  return guest.timed_out ? timedOutStatus : 128 + guest.signal;
}

function isolationDocument(sandbox: Sandbox): CommandResult["isolation"] {
  const accel = sandbox.identity?.accel;
  return accel === undefined ? null : { backend: sandbox.plan.backend, accel, isolation: isolationOf(accel) };
}

/** Milliseconds with three digits: microseconds are all the clock is worth. */
export function rounded(ms: number): number {
  return Math.max(0, Math.round(ms * 1000) / 1000);
}
