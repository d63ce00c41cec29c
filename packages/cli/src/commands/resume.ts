import { sandboxRef } from "../args/sandbox-ref.js";
import { command, word } from "../command/define.js";
import { changeSandbox } from "../sandbox/change.js";

export default command({
  summary: "Let a paused sandbox run again, or wake a cold one",
  description: ["A cold sandbox is compared with its seal before it wakes."],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [["resume devbox", "Resumes devbox"]],
  run: ({ words: [name] }, context) => changeSandbox(context, name, "resume"),
});
