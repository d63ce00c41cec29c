import { snapshotRef } from "../../args/snapshot-ref.js";
import { command, words } from "../../command/define.js";
import { several } from "../../output/several.js";
import { printable } from "../../render/escape.js";
import { snapshotPath } from "../../snapshot/path.js";

export default command({
  summary: "Delete snapshots",
  description: ["Sandboxes that were restored from them go on. Each name is tried, whatever becomes of the others."],
  positionals: [words("SNAPSHOT", snapshotRef, "Names or ids of snapshots")],
  options: {},
  examples: [["snapshot rm clean", "Deletes one"]],
  run: async ({ words: [refs] }, context) => {
    const daemon = await context.daemon();
    const remove = async (ref: string) => ({
      ref,
      ...(await daemon.call<{ removed: boolean }>({
        method: "DELETE",
        path: snapshotPath(ref),
        operation: "snapshots.remove",
      })),
    });
    return several(context, "snapshots", refs, remove, (done) =>
      done.map(({ ref }) => printable(`${ref} is removed`)).join("\n"),
    );
  },
});
