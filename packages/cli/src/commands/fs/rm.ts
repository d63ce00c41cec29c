import { guestPath } from "../../args/guest-path.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, flag, word, words } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";

export default command({
  summary: "Remove files of a sandbox; links are removed, never followed",
  positionals: [
    word("NAME", sandboxRef, "Name or id of the sandbox"),
    words("PATH", guestPath, "Files or directories"),
  ],
  options: { recursive: flag("Remove directories with what is in them", { short: "r" }) },
  examples: [["fs rm devbox -r build", "Removes a directory"]],
  run: async ({ words: [name, paths], options }, context) => {
    const daemon = await context.daemon();
    let removed = 0;
    for (const path of paths) {
      const query = { path, recursive: options.recursive || undefined };
      removed += (
        await daemon.call<{ removed: number }>({
          method: "DELETE",
          path: sandboxPath(name, "files"),
          operation: "files.remove",
          query,
        })
      ).removed;
    }
    await context.out.result({ removed }, () => "");
  },
});
