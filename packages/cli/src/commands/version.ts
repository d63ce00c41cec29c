import { command } from "../command/define.js";
import { version } from "../version.js";

export default command({
  summary: "Print the version",
  positionals: [],
  options: {},
  examples: [["version --json", "Prints the versions of mvmctl and of Node"]],
  run: async (_, context) => {
    await context.out.result({ version, node: process.version }, () => `mvmctl ${version}`);
  },
});
