import type { FileWrittenDocument } from "@mvm/protocol";
import { fileMode } from "../../args/file-mode.js";
import { guestPath } from "../../args/guest-path.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, flag, option, word } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { printable } from "../../render/escape.js";

export default command({
  summary: "Write stdin to a file of a sandbox",
  description: ["Parents are made. The file has its old content until all of the new one has arrived."],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox"), word("PATH", guestPath, "File to write")],
  options: {
    mode: option(fileMode, "Permissions in octal", { defaultText: "644" }),
    append: flag("Add to the file"),
    exclusive: flag("Refuse when the file exists"),
  },
  examples: [["fs write devbox app/main.py < main.py", "Copies a file in"]],
  run: async ({ words: [name, path], options }, context) => {
    const daemon = await context.daemon();
    const query = {
      path,
      mode: options.mode,
      append: options.append || undefined,
      exclusive: options.exclusive || undefined,
    };
    const { bytes, sha256 } = await daemon.call<FileWrittenDocument>({
      method: "PUT",
      path: sandboxPath(name, "files", "content"),
      operation: "files.write",
      query,
      body: () => process.stdin,
      patient: () => true,
    });
    await context.out.result({ path, bytes, sha256 }, () =>
      context.quiet ? "" : printable(`${path}: ${bytes} bytes`),
    );
  },
});
