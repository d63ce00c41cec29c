import type { Version } from "@mvm/protocol";
import { command } from "../../command/define.js";

export default command({
  summary: "Start the daemon of this state root",
  description: ["Every verb starts it when it is needed; it ends by itself after ten minutes without sandboxes."],
  positionals: [],
  options: {},
  examples: [["daemon start", "Starts the daemon, or says that it runs"]],
  run: async (_, context) => {
    const daemon = await context.daemon();
    const version = await daemon.call<Version>({ method: "GET", path: "/version", operation: "daemon.version" });
    await context.out.result({ running: true, ...version }, () =>
      context.quiet ? "" : `mvmd ${version.version} runs with pid ${version.pid}, state root ${version.home}`,
    );
  },
});
