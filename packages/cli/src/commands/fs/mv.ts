import { guestPath } from "../../args/guest-path.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, flag, word } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";

export default command({
  summary: "Rename a file or directory in a sandbox",
  positionals: [
    word("NAME", sandboxRef, "Name or id of the sandbox"),
    word("FROM", guestPath, "What to rename"),
    word("TO", guestPath, "Its new path"),
  ],
  options: { "no-overwrite": flag("Refuse when TO exists") },
  examples: [["fs mv devbox draft.txt final.txt", "Renames a file"]],
  run: async ({ words: [name, from, to], options }, context) => {
    const daemon = await context.daemon();
    const body = { from, to, overwrite: !options["no-overwrite"] };
    await daemon.call({
      method: "POST",
      path: sandboxPath(name, "files", "rename"),
      operation: "files.rename",
      json: body,
    });
    await context.out.result({ from, to }, () => "");
  },
});
