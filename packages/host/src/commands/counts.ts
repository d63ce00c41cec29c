import type { CommandNumbers, CommandOutcome, CommandResult } from "@mvm/protocol";
import type { Process } from "./process.js";

/** Ended commands whose numbers are kept one by one. */
const keptRecent = 64;

/** How a command ended, in the words metrics use. */
export function outcomeOf(result: CommandResult): CommandOutcome {
  if (result.timedOut) return "timeout";
  if (result.oomKilled) return "oom";
  if (result.signal !== null) return "signal";
  return result.exitCode === 0 ? "ok" : "failed";
}

/** Numbers of the commands of one sandbox since this daemon knows it. No argv, no environment, no output. */
export class CommandCounts {
  private readonly outcomes = new Map<CommandOutcome, number>();
  private readonly recent: CommandNumbers[] = [];
  private ended = { count: 0, durationMs: 0, stdout: 0, stderr: 0, backpressure: 0 };
  /** Called with the numbers of every command that has ended. */
  onCommand: (numbers: CommandNumbers) => void = () => undefined;

  /** Counts a command that has ended, once its result is known. */
  async end(process: Process): Promise<void> {
    const result = await process.result.catch(() => undefined);
    const numbers: CommandNumbers = {
      run_id: process.runId,
      outcome: result === undefined ? "lost" : outcomeOf(result),
      exit_code: result?.exitCode ?? null,
      duration_ms: result?.durationMs ?? null,
      stdout_bytes: process.stdout.bytes,
      stderr_bytes: process.stderr.bytes,
      backpressure_events: process.heldBack,
    };
    this.outcomes.set(numbers.outcome, (this.outcomes.get(numbers.outcome) ?? 0) + 1);
    this.ended.count += 1;
    this.ended.durationMs += numbers.duration_ms ?? 0;
    this.ended.stdout += numbers.stdout_bytes;
    this.ended.stderr += numbers.stderr_bytes;
    this.ended.backpressure += numbers.backpressure_events;
    this.recent.push(numbers);
    if (this.recent.length > keptRecent) this.recent.shift();
    this.onCommand(numbers);
  }

  /** All of it, with what runs now. */
  numbers(running: readonly Process[]) {
    const sum = (of: (process: Process) => number): number =>
      running.reduce((total, process) => total + of(process), 0);
    const { count, durationMs, stdout, stderr, backpressure } = this.ended;
    const of = (outcome: CommandOutcome): number => this.outcomes.get(outcome) ?? 0;
    return {
      ...{ running: running.length, ended: count },
      outcomes: {
        ...{ ok: of("ok"), failed: of("failed"), signal: of("signal") },
        ...{ timeout: of("timeout"), oom: of("oom"), lost: of("lost") },
      },
      duration_ms: Math.round(durationMs * 1000) / 1000,
      stdout_bytes: stdout + sum((process) => process.stdout.bytes),
      stderr_bytes: stderr + sum((process) => process.stderr.bytes),
      backpressure_events: backpressure + sum((process) => process.heldBack),
      recent: [...this.recent],
    };
  }
}
