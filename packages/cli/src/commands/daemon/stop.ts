import { setTimeout as sleep } from "node:timers/promises";
import { deadline, type Version } from "@mvm/protocol";
import { command, flag } from "../../command/define.js";
import type { Context } from "../../output/context.js";

const pollMs = 50;

export default command({
  summary: "Stop the daemon of this state root",
  description: [
    "Refused while sandboxes run, unless --force is given: then those that are not detached are destroyed.",
  ],
  positionals: [],
  options: { force: flag("Stop although sandboxes run") },
  examples: [["daemon stop", "Stops the daemon when nothing runs"]],
  run: async ({ options }, context) => {
    const daemon = await context.runningDaemon();
    if (daemon === null) {
      await context.out.result({ running: false, stopping: false }, () => (context.quiet ? "" : "mvmd does not run"));
      return;
    }
    const { pid } = await daemon.call<Version>({ method: "GET", path: "/version", operation: "daemon.stop" });
    await daemon.call({
      method: "POST",
      path: "/daemon/stop",
      operation: "daemon.stop",
      json: { force: options.force },
    });
    const gone = await untilGone(pid, context);
    const said = gone ? "mvmd has stopped" : "mvmd is stopping";
    await context.out.result({ running: !gone, stopping: true }, () => (context.quiet ? "" : said));
  },
});

/**
 * Waits until the process has ended: its socket is dead earlier, but until then it holds the state root's lock, and a daemon
 * that is started next would find it taken.
 */
async function untilGone(pid: number, context: Context): Promise<boolean> {
  const { signal } = context.cancellation;
  for (const end = performance.now() + 2 * deadline("drain"); performance.now() < end;) {
    if (!isAlive(pid)) return true;
    await sleep(pollMs, undefined, { signal });
  }
  return false;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // With EPERM it lives, under root: a client of another user was let in.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
