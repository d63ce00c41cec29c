import { snapshotRef } from "../../args/snapshot-ref.js";
import { command, words } from "../../command/define.js";
import { printable } from "../../render/escape.js";
import { snapshotPath } from "../../snapshot/path.js";

export default command({
  summary: "Delete snapshots",
  description: ["Sandboxes that were restored from them go on."],
  positionals: [words("SNAPSHOT", snapshotRef, "Names or ids of snapshots")],
  options: {},
  examples: [["snapshot rm clean", "Deletes one"]],
  run: async ({ words: [refs] }, context) => {
    const daemon = await context.daemon();
    for (const ref of refs) {
      await daemon.call({ method: "DELETE", path: snapshotPath(ref), operation: "snapshots.remove" });
    }
    await context.out.result({ removed: refs }, () =>
      context.quiet ? "" : refs.map((ref) => printable(`${ref} is removed`)).join("\n"),
    );
  },
});
