import type { FileChangeDocument, FileWatchEvent } from "@mvm/protocol";
import { guestPath } from "../../args/guest-path.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, flag, word } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { printable } from "../../render/escape.js";

export default command({
  summary: "Show what changes at a path of a sandbox, as it happens",
  description: [
    "Ends when the path itself is removed or renamed. After overflow changes were missed: look again. With --json the first line says that the watch is under way.",
  ],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox"), word("PATH", guestPath, "File or directory")],
  options: { recursive: flag("Also everything below", { short: "r" }) },
  examples: [["fs watch devbox app -r", "Follows what is created, modified, removed and renamed below app"]],
  jsonLines: true,
  run: async ({ words: [name, path], options }, context) => {
    const { out, cancellation } = context;
    const daemon = await context.daemon();
    for await (const event of daemon.events<FileWatchEvent>({
      method: "GET",
      path: sandboxPath(name, "files", "watch"),
      operation: "files.watch",
      query: { path, recursive: options.recursive || undefined },
    })) {
      if (context.json) await out.jsonLine(event);
      else if (event.event !== "watching") await cancellation.race(out.stdout.write(`${lineOf(event)}\n`));
    }
  },
});

function lineOf(change: FileChangeDocument): string {
  if (change.event === "overflow") return "overflow";
  const path = textOf(change.path, change.path_b64) + (change.directory ? "/" : "");
  if (change.event !== "renamed") return `${change.event} ${path}`;
  return `renamed ${textOf(change.from, change.from_b64)} -> ${path}`;
}

function textOf(text: string | undefined, base64: string | undefined): string {
  return printable(text ?? Buffer.from(base64 ?? "", "base64").toString("utf8"));
}
