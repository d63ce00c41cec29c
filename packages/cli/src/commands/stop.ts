import { sandboxRef } from "../args/sandbox-ref.js";
import { command, word } from "../command/define.js";
import { changeSandbox } from "../sandbox/change.js";

export default command({
  summary: "Stop a sandbox: its processes and memory are gone, its disk is kept",
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [["stop devbox", "Stops devbox"]],
  run: ({ words: [name] }, context) => changeSandbox(context, name, "stop"),
});
