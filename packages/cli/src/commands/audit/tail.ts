import { defaultTenant, followEntries, lastEntries } from "@mvm/evidence";
import { integer } from "../../args/integer.js";
import { tenantName } from "../../args/tenant.js";
import { command, flag, option } from "../../command/define.js";
import { chainPlace } from "../../evidence/places.js";
import { unreadable } from "../../host-file/read.js";
import { auditLine } from "../../render/audit-entry.js";

export default command({
  summary: "Show the end of the audit log",
  description: ["Reads the log itself: no daemon is needed. Whether the log is whole is what `audit verify` says."],
  positionals: [],
  options: {
    lines: option(integer("N", 0, 1_000_000), "How many entries", { short: "n", defaultText: "10" }),
    follow: flag("Go on with new entries as they come", { short: "f" }),
    tenant: option(tenantName, "Whose log", { defaultText: defaultTenant }),
  },
  examples: [
    ["audit tail -n 20", "Shows the last twenty entries"],
    ["audit tail -f --json", "Follows the log, one JSON object a line"],
  ],
  jsonLines: true,
  run: async ({ options }, { json, out, cancellation }) => {
    const { directory } = chainPlace(options.tenant ?? defaultTenant);
    const show = (entry: Parameters<typeof auditLine>[0]): Promise<void> =>
      json ? out.jsonLine(entry) : cancellation.race(out.stdout.write(`${auditLine(entry)}\n`));
    try {
      const wanted = options.lines ?? 10;
      // The last entry is where following begins, also when none is to be shown.
      const entries = await lastEntries(directory, Math.max(1, wanted));
      for (const entry of entries.slice(entries.length - Math.min(wanted, entries.length))) await show(entry);
      if (!options.follow) return;
      for await (const entry of followEntries(directory, entries.at(-1)?.seq ?? 0, cancellation.signal))
        await show(entry);
    } catch (error) {
      throw unreadable(`the log in "${directory}"`, error);
    }
  },
});
