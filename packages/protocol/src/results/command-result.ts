/** How long the phases around a command took, in milliseconds. */
export interface CommandTimings {
  /** Creating the sandbox; null when it existed before. */
  readonly createMs: number | null;
  readonly execMs: number;
  readonly totalMs: number;
  /** How the machine was started: taken from the pool, restored from a template, booted; null when it existed before. */
  readonly start: "pool" | "template" | "cold" | null;
}

/** What separates the command from the host. `emulated` (TCG) is not a security boundary QEMU vouches for. */
export interface Isolation {
  readonly backend: string;
  readonly accel: string;
  readonly isolation: string;
}

/** The result of a command that ran, whatever its exit status. */
export interface CommandResult {
  /** The command's status; 128 + n when signal n ended it, 124 on a timeout unless it exited by itself. */
  readonly exitCode: number;
  /** Name of the signal that ended the command, e.g. `SIGKILL`; null when it exited. */
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly oomKilled: boolean;
  /** Bounded output, head and tail kept; invalid UTF-8 is U+FFFD and the bytes are in `stdoutBase64`. */
  readonly stdout: string;
  readonly stderr: string;
  /** Present only when the kept bytes are not valid UTF-8. */
  readonly stdoutBase64?: string;
  readonly stderrBase64?: string;
  /** Bytes the command wrote, also those that were not kept. */
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly stdoutTruncated: boolean;
  readonly stderrTruncated: boolean;
  /** Bytes in the file that `spill` named; present only when it was asked for. */
  readonly spillBytes?: number;
  readonly durationMs: number;
  readonly runId: string;
  readonly auditId: string | null;
  readonly sandboxId: string;
  readonly timings: CommandTimings | null;
  readonly isolation: Isolation | null;
  /** Path of the receipt on the host; null when none was written. */
  readonly receipt: string | null;
}
