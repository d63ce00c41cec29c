import { setTimeout as sleep } from "node:timers/promises";
import { deadline } from "@mvm/protocol";
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
    await daemon.call({
      method: "POST",
      path: "/daemon/stop",
      operation: "daemon.stop",
      json: { force: options.force },
    });
    const gone = await untilGone(context);
    const said = gone ? "mvmd has stopped" : "mvmd is stopping";
    await context.out.result({ running: !gone, stopping: true }, () => (context.quiet ? "" : said));
  },
});

/** Waits until the socket is dead, so that what follows on the command line meets no daemon on its way out. */
async function untilGone(context: Context): Promise<boolean> {
  const { signal } = context.cancellation;
  for (const end = performance.now() + 2 * deadline("drain"); performance.now() < end;) {
    const daemon = await context.runningDaemon().catch(() => undefined);
    if (daemon === null) return true;
    await sleep(pollMs, undefined, { signal });
  }
  return false;
}
