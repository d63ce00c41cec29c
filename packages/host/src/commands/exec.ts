import { deadline, limits, Timeout, type CommandResult } from "@mvm/protocol";
import { beginRun, endRun, failRun, type RunRecord } from "../evidence/run-record.js";
import { failSandbox } from "../sandboxes/fail.js";
import { persist } from "../sandboxes/persist.js";
import type { Live, Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { requireLive } from "../sandboxes/state.js";
import { Process, type OutputSink } from "./process.js";
import { commandResult, endOfHungGuest, rounded } from "./result.js";
import { execRequest, type CommandSpec } from "./spec.js";

/** What came before a command in the same request, for its timings. */
export interface Before {
  /** `performance.now()` when the request came. */
  readonly began: number;
  readonly createMs: number | null;
  readonly start: "pool" | "template" | "cold" | null;
}

/**
 * Starts a command in a running sandbox, once its begin is in the audit log. The request is on its way when this resolves;
 * its `result` rejects with a typed error.
 * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: it was not started
 */
export async function startCommand(
  services: Services,
  sandbox: Sandbox,
  spec: CommandSpec,
  before: Before,
  sink?: OutputSink,
): Promise<Process> {
  requireLive(sandbox, "run a command in");
  const record = await beginRun(services, sandbox, spec);
  try {
    return startRecorded(services, sandbox, spec, record, before, sink);
  } catch (error) {
    await failRun(services, sandbox, record, error, null);
    throw error;
  }
}

function startRecorded(
  services: Services,
  sandbox: Sandbox,
  spec: CommandSpec,
  record: RunRecord,
  before: Before,
  sink: OutputSink | undefined,
): Process {
  // Writing the entry took a moment, in which the sandbox may have ended.
  const live = requireLive(sandbox, "run a command in");
  const began = performance.now();
  const process = new Process(live.session, execRequest(spec), {
    runId: record.runId,
    argv: spec.argv,
    user: spec.user,
    cwd: spec.cwd,
    background: spec.background,
    maxOutputBytes: spec.maxOutputBytes,
    redactor: sandbox.logs.redactor,
    ...(sink && { sink }),
  });
  sandbox.processes.track(process);
  services.registry.runs.set(process.runId, process);
  process.events.once("end", () => services.registry.runs.delete(process.runId));
  if (spec.stdinData !== null) feed(process, spec.stdinData);
  if (spec.background) keepTrack(sandbox, live, process);
  process.result = finish(services, sandbox, live, process, spec, record, before, began);
  process.result.catch(() => undefined);
  return process;
}

async function finish(
  services: Services,
  sandbox: Sandbox,
  live: Live,
  process: Process,
  spec: CommandSpec,
  record: RunRecord,
  before: Before,
  began: number,
): Promise<CommandResult> {
  const watch = watchDeadline(services, sandbox, live, process, spec);
  const timings = (): CommandResult["timings"] & object => ({
    createMs: before.createMs === null ? null : rounded(before.createMs),
    execMs: rounded(performance.now() - began),
    totalMs: rounded(performance.now() - before.began),
    start: before.start,
  });
  try {
    const end = await process.ended;
    return await endRun(services, sandbox, record, process, commandResult(sandbox, process, end, timings()));
  } catch (error) {
    if (!watch.hung()) {
      await failRun(services, sandbox, record, error, process);
      throw error;
    }
    const partial = commandResult(sandbox, process, endOfHungGuest(performance.now() - began), timings());
    const timeout = new Timeout({
      message: `Cannot finish the command: the guest did not end it at its time limit and answers no more`,
      outcome: "unknown",
      sandboxId: sandbox.id,
      runId: process.runId,
      result: partial,
    });
    await failRun(services, sandbox, record, timeout, process, partial);
    throw timeout;
  } finally {
    watch.cancel();
  }
}

/** How often a command whose machine is paused is looked at, at most. Milliseconds. */
const pausedLookMs = 1_000;

/**
 * The guest enforces the time limit. If no end has come well after it, the guest is asked for a sign of life: one that
 * answers is merely slow and is told to kill the command; one that does not is lost, and its machine is ended.
 */
function watchDeadline(
  services: Services,
  sandbox: Sandbox,
  live: Live,
  process: Process,
  spec: CommandSpec,
): { cancel(): void; hung(): boolean } {
  let hung = false;
  if (spec.timeoutMs === null) return { cancel: () => undefined, hung: () => hung };
  const margin = deadline("commandOverrun", live.machine.identity.accel);
  const total = Math.min(spec.timeoutMs + limits.killGraceMs + margin, 2 ** 31 - 1);
  // A machine that is paused stands still, and so does the command's time limit.
  const end = sandbox.clock.now + total;
  const giveUp = (): void => {
    hung = true;
    void failSandbox(services, sandbox, "crashed", "the guest is hung");
  };
  const late = async (): Promise<void> => {
    const left = end - sandbox.clock.now;
    if (left > 0 || !sandbox.clock.running) {
      timer = setTimeout(() => void late(), Math.max(left, pausedLookMs));
      return;
    }
    try {
      await live.session.call({ op: "ps" });
    } catch {
      // A machine that was stopped while it was asked could not answer.
      if (!sandbox.clock.running) timer = setTimeout(() => void late(), pausedLookMs);
      else if (!process.over) giveUp();
      return;
    }
    process.cancel();
    timer = setTimeout(() => !process.over && (sandbox.clock.running ? giveUp() : void late()), margin);
  };
  let timer = setTimeout(() => void late(), total + 1);
  return { cancel: () => clearTimeout(timer), hung: () => hung };
}

function feed(process: Process, data: Buffer): void {
  // A command may end without reading its input: that is its own business.
  process.write(data).then(
    () => process.closeStdin(),
    () => undefined,
  );
}

/** Background commands of a detached sandbox are written down: the next daemon attaches to them and ends the others. */
function keepTrack(sandbox: Sandbox, live: Live, process: Process): void {
  const note = (): void => {
    // A session that ends because its daemon goes says nothing about the command.
    if (!sandbox.detached || sandbox.live !== live || sandbox.destroying !== null) return;
    try {
      persist(sandbox);
    } catch {
      // A full disk: the command is only lost to a daemon that has to adopt it.
    }
  };
  void process.started.then((pid) => pid !== null && note());
  process.events.once("end", note);
}
