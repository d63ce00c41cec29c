import type { Version } from "@mvm/protocol";
import { command } from "../../command/define.js";

const notRunning = 69;

export default command({
  summary: "Say whether the daemon of this state root runs; never starts it",
  positionals: [],
  options: {},
  examples: [["daemon status", "Shows pid and version of the daemon"]],
  exits: { [notRunning]: "It does not run" },
  run: async (_, context) => {
    const daemon = await context.runningDaemon();
    if (daemon === null) {
      await context.out.result({ running: false }, () => "mvmd does not run");
      return notRunning;
    }
    const version = await daemon.call<Version>({ method: "GET", path: "/version", operation: "daemon.version" });
    await context.out.result(
      { running: true, ...version },
      () =>
        `mvmd ${version.version} runs with pid ${version.pid} since ${version.started_at}, state root ${version.home}`,
    );
    return 0;
  },
});
