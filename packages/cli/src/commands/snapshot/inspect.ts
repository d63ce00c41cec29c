import type { SnapshotInfo } from "@mvm/protocol";
import { snapshotRef } from "../../args/snapshot-ref.js";
import { command, word } from "../../command/define.js";
import { facts } from "../../render/facts.js";
import { snapshotPath } from "../../snapshot/path.js";

export default command({
  summary: "Show everything about one snapshot",
  positionals: [word("SNAPSHOT", snapshotRef, "Name or id of the snapshot")],
  options: {},
  examples: [["snapshot inspect clean", "Shows what it was made of, what it needs of a host, and its parts"]],
  run: async ({ words: [ref] }, context) => {
    const daemon = await context.daemon();
    const snapshot = await daemon.call<SnapshotInfo>({
      method: "GET",
      path: snapshotPath(ref),
      operation: "snapshots.inspect",
    });
    await context.out.result(snapshot, () => facts(snapshot, context.out.stdout.columns));
  },
});
