import type { SnapshotVerdict } from "@mvm/protocol";
import { snapshotRef } from "../../args/snapshot-ref.js";
import { command, word } from "../../command/define.js";
import { printable } from "../../render/escape.js";
import { bytes } from "../../render/units.js";
import { snapshotPath } from "../../snapshot/path.js";

export default command({
  summary: "Read all of a snapshot and compare it with its seal",
  positionals: [word("SNAPSHOT", snapshotRef, "Name or id of the snapshot")],
  options: {},
  examples: [["snapshot verify clean", "Exits with 65 when anything of it was changed"]],
  run: async ({ words: [ref] }, context) => {
    const daemon = await context.daemon();
    const verdict = await daemon.call<SnapshotVerdict>({
      method: "POST",
      path: snapshotPath(ref, "verify"),
      operation: "snapshots.verify",
      patient: () => true,
    });
    await context.out.result(verdict, () =>
      printable(`${ref} is whole: ${bytes(verdict.bytes)} match its seal of epoch ${verdict.epoch}`),
    );
  },
});
