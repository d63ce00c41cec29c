import type { FileEntryDocument } from "@mvm/protocol";
import { guestPath } from "../../args/guest-path.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, optionalWord, word } from "../../command/define.js";
import { allEntries } from "../../sandbox/entries.js";
import { entryName, entryTable } from "../../render/entries.js";

export default command({
  summary: "List a directory of a sandbox",
  positionals: [
    word("NAME", sandboxRef, "Name or id of the sandbox"),
    optionalWord("PATH", guestPath, "Directory; /home/user unless given"),
  ],
  options: {},
  examples: [["fs ls devbox /home/user/app", "Lists a directory"]],
  run: async ({ words: [name, path = "."] }, context) => {
    const daemon = await context.daemon();
    const entries: FileEntryDocument[] = [];
    for await (const entry of allEntries(daemon, name, path)) entries.push(entry);
    await context.out.result({ path, entries }, () =>
      context.quiet ? entries.map(entryName).join("\n") : entryTable(entries, context.out.stdout.columns),
    );
  },
});
