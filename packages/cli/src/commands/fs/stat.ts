import type { FileEntryDocument } from "@mvm/protocol";
import { guestPath } from "../../args/guest-path.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, flag, word, words } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { entryTable } from "../../render/entries.js";

export default command({
  summary: "Show type, size, permissions and times of files of a sandbox",
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox"), words("PATH", guestPath, "Files")],
  options: {
    "no-follow": flag("Describe a symbolic link itself"),
    sha256: flag("Also the SHA-256 of the content, computed on this host"),
  },
  examples: [
    ["fs stat devbox app/main.py", "Describes a file"],
    ["fs stat devbox app/main.py --sha256 --json | jq -r .sha256", "Prints the hash of its content"],
  ],
  run: async ({ words: [name, paths], options }, context) => {
    const daemon = await context.daemon();
    const entries: (FileEntryDocument & { path: string })[] = [];
    for (const path of paths) {
      const query = { path, follow: !options["no-follow"], sha256: options.sha256 || undefined };
      entries.push({
        path,
        ...(await daemon.call<FileEntryDocument>({
          method: "GET",
          path: sandboxPath(name, "files", "stat"),
          operation: "files.stat",
          query,
          // A large file takes its time; the daemon is asked whether it lives.
          patient: () => true,
        })),
      });
    }
    const [only] = entries;
    await context.out.result(entries.length === 1 && only ? only : { entries }, () =>
      entryTable(
        entries.map((entry) => ({ ...entry, name: entry.path })),
        context.out.stdout.columns,
      ),
    );
  },
});
