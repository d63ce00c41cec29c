import { fileMode } from "../../args/file-mode.js";
import { guestPath } from "../../args/guest-path.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, flag, option, word, words } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { defined } from "../../sandbox/options.js";

export default command({
  summary: "Make directories in a sandbox, with their parents",
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox"), words("PATH", guestPath, "Directories")],
  options: {
    mode: option(fileMode, "Permissions in octal", { defaultText: "755" }),
    exclusive: flag("Refuse when the directory exists"),
  },
  examples: [["fs mkdir devbox app/data", "Makes app and app/data"]],
  run: async ({ words: [name, paths], options }, context) => {
    const daemon = await context.daemon();
    for (const path of paths) {
      const body = { path, exist_ok: !options.exclusive, ...defined({ mode: options.mode }) };
      await daemon.call({
        method: "POST",
        path: sandboxPath(name, "files", "mkdir"),
        operation: "files.mkdir",
        json: body,
      });
    }
    await context.out.result({ paths }, () => "");
  },
});
