import type { SnapshotInfo } from "@mvm/protocol";
import { age } from "../../args/duration.js";
import { integer } from "../../args/integer.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { anySize } from "../../args/size.js";
import { command, flag, option } from "../../command/define.js";
import { usageError } from "../../errors.js";
import { table } from "../../render/table.js";
import { snapshotColumns } from "../../snapshot/columns.js";

export default command({
  summary: "Delete snapshots beyond the bounds you give, oldest first",
  description: ["Nothing is deleted without a bound, and nothing is ever deleted by itself."],
  positionals: [],
  options: {
    "keep-last": option(integer("COUNT", 0, 1_000_000), "Newest ones to keep of each sandbox"),
    "max-age": option(age, "Delete those older than this, such as 7d"),
    quota: option(anySize, "Host storage all of them may take, such as 20G"),
    sandbox: option(sandboxRef, "Only those of this sandbox"),
    "dry-run": flag("Only say what would be deleted"),
  },
  examples: [
    ["snapshot prune --keep-last 3 --max-age 30d", "Keeps the newest three of each sandbox, and none over a month"],
  ],
  run: async ({ options }, context) => {
    if (["keep-last", "max-age", "quota"].every((bound) => options[bound as keyof typeof options] === undefined)) {
      throw usageError("Cannot prune snapshots: no bound is given", "Give --keep-last, --max-age or --quota");
    }
    const daemon = await context.daemonOfContents();
    const list = (await daemon?.call<{ snapshots: SnapshotInfo[] }>({
      method: "POST",
      path: "/snapshots/prune",
      operation: "snapshots.prune",
      json: {
        ...(options["keep-last"] === undefined ? {} : { keep_last: options["keep-last"] }),
        ...(options["max-age"] === undefined ? {} : { max_age_seconds: options["max-age"] }),
        ...(options.quota === undefined ? {} : { quota_bytes: options.quota }),
        ...(options.sandbox === undefined ? {} : { sandbox: options.sandbox }),
        dry_run: options["dry-run"],
      },
    })) ?? { snapshots: [] };
    await context.out.result(list, () =>
      table(list.snapshots, snapshotColumns(list.snapshots), context.out.stdout.columns),
    );
  },
});
