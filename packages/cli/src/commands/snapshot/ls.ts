import type { SnapshotInfo } from "@mvm/protocol";
import { command } from "../../command/define.js";
import { table } from "../../render/table.js";
import { snapshotColumns } from "../../snapshot/columns.js";

export default command({
  summary: "List the snapshots",
  positionals: [],
  options: {},
  examples: [["snapshot ls", "Lists the snapshots, oldest first"]],
  run: async (_input, context) => {
    const daemon = await context.daemonOfContents();
    const list = (await daemon?.call<{ snapshots: SnapshotInfo[] }>({
      method: "GET",
      path: "/snapshots",
      operation: "snapshots.list",
    })) ?? { snapshots: [] };
    await context.out.result(list, () =>
      table(list.snapshots, snapshotColumns(list.snapshots), context.out.stdout.columns),
    );
  },
});
