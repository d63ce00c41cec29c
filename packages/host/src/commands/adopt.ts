import { deadline, limits, newId } from "@mvm/protocol";
import { runnerLanguage } from "@mvm/images";
import { checkedAnswer } from "../sandboxes/agent-answer.js";
import { beginRun, endRun, failRun } from "../evidence/run-record.js";
import type { Services } from "../sandboxes/services.js";
import type { Live, Sandbox } from "../sandboxes/sandbox.js";
import { Process } from "./process.js";
import { commandResult, rounded } from "./result.js";

const sigkill = 9;

/**
 * Takes over the commands a guest kept running while no daemon was there: those that were started in the background are
 * attached again, the others belonged to connections that are gone and are killed. In a machine that goes on from where it was
 * captured nobody was there to lose, and all of them stay. Output of the time between is lost.
 */
export async function adoptCommands(
  services: Services,
  sandbox: Sandbox,
  live: Live,
  backgroundPids: readonly number[] | "all",
): Promise<void> {
  const deadlineMs = deadline("agentRequest", live.machine.identity.accel);
  const { processes } = checkedAnswer("ps", await live.session.call({ op: "ps" }, { deadlineMs }));
  for (const { pid, argv, user, cwd, started_ms: startedMs, running } of processes) {
    // The runners of code are attached by the first call that needs them, and know by themselves what to end.
    if (!running || runnerLanguage(argv) !== null) continue;
    if (backgroundPids !== "all" && !backgroundPids.includes(pid)) {
      live.session.call({ op: "signal", pid, signal: sigkill, tree: true }, { deadlineMs }).catch(() => undefined);
      continue;
    }
    const began = performance.now();
    // It runs already: a history that cannot be written does not make it stop.
    const record = await beginRun(services, sandbox, { argv, env: {} }).catch(() => null);
    const process = new Process(
      live.session,
      { op: "attach", pid },
      {
        ...{ runId: record?.runId ?? newId("run"), argv, user, cwd, pid, background: true },
        maxOutputBytes: limits.outputDefaultBytes,
        redactor: sandbox.logs.redactor,
        startedAt: new Date(startedMs <= 8.64e15 ? startedMs : 0),
      },
    );
    process.result = process.ended.then(
      (end) => {
        const spent = rounded(performance.now() - began);
        const timings = { createMs: null, execMs: spent, totalMs: spent, start: null };
        const result = commandResult(sandbox, process, end, timings);
        return record === null ? result : endRun(services, sandbox, record, process, result);
      },
      async (error: unknown) => {
        if (record !== null) await failRun(services, sandbox, record, error, process);
        throw error;
      },
    );
    process.result.catch(() => undefined);
    sandbox.processes.track(process);
  }
}
