import { hostFile } from "../../args/host-path.js";
import { snapshotRef } from "../../args/snapshot-ref.js";
import { command, word } from "../../command/define.js";
import { writeWhole } from "../../host-file/write.js";
import { printable } from "../../render/escape.js";
import { bytes } from "../../render/units.js";
import { snapshotPath } from "../../snapshot/path.js";

export default command({
  summary: "Write a snapshot to an archive for another host",
  description: [
    "The archive is signed, and as sensitive as the snapshot: its memory is in it. FILE is there whole or not at all. " +
      "To import it elsewhere, give keys/snapshot-export.key.pub of this state root to that host.",
  ],
  positionals: [
    word("SNAPSHOT", snapshotRef, "Name or id of the snapshot"),
    word("FILE", hostFile, "Archive to write"),
  ],
  options: {},
  examples: [["snapshot export clean clean.tar", "Writes clean.tar and prints its digest"]],
  run: async ({ words: [ref, file] }, context) => {
    const daemon = await context.daemon();
    let digest = "";
    const content = async () => {
      const { headers, body } = await daemon.download({
        method: "GET",
        path: snapshotPath(ref, "export"),
        operation: "snapshots.export",
        patient: () => true,
      });
      digest = String(headers["x-mvm-digest"] ?? "");
      return body;
    };
    const written = await writeWhole(file, content, (work) => context.cancellation.race(work));
    await context.out.result({ snapshot: ref, file, digest, bytes: written }, () =>
      printable(`${file}: ${bytes(written)}, ${digest}`),
    );
  },
});
