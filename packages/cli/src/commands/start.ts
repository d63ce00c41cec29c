import { sandboxRef } from "../args/sandbox-ref.js";
import { command, word } from "../command/define.js";
import { changeSandbox } from "../sandbox/change.js";

export default command({
  summary: "Start a stopped sandbox again on its kept disk",

  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [["start devbox", "Starts devbox"]],
  run: ({ words: [name] }, context) => changeSandbox(context, name, "start"),
});
