import { sandboxRef } from "../args/sandbox-ref.js";
import { command, word } from "../command/define.js";
import { changeSandbox } from "../sandbox/change.js";

export default command({
  summary: "Put a sandbox's memory on the host's storage and end its process",
  description: [
    "It takes no memory until `resume` wakes it where it was. What it saves is as sensitive as what runs in it.",
  ],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [["cold devbox", "Makes devbox cold"]],
  run: ({ words: [name] }, context) => changeSandbox(context, name, "cold"),
});
