import { command, flag } from "../../command/define.js";

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
    await context.out.result({ running: true, stopping: true }, () => (context.quiet ? "" : "mvmd is stopping"));
  },
});
