import { sandboxRef } from "../args/sandbox-ref.js";
import { command, word } from "../command/define.js";
import { changeSandbox } from "../sandbox/change.js";

export default command({
  summary: "Stop a sandbox's vCPUs; its memory stays in the host's",
  description: ["Its commands stand still, and so do their time limits."],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [["pause devbox", "Pauses devbox"]],
  run: ({ words: [name] }, context) => changeSandbox(context, name, "pause"),
});
