import { hostFile } from "../../args/host-path.js";
import { anyRef } from "../../args/snapshot-ref.js";
import { validateImage, validateRef } from "@mvm/protocol";
import { command, flag, word } from "../../command/define.js";
import { writeWhole } from "../../host-file/write.js";
import { printable } from "../../render/escape.js";
import { bytes } from "../../render/units.js";
import { snapshotPath } from "../../snapshot/path.js";

export default command({
  summary: "Write a snapshot or a template to an archive for another host",
  description: [
    "The archive is signed, and as sensitive as the snapshot: its memory is in it. FILE is there whole or not at all. " +
      "To import it elsewhere, give keys/snapshot-export.key.pub of this state root to that host.",
    "With --template it is the template of the image SNAPSHOT, by name, digest or the template's own key: what its sandboxes " +
      "start from, so that the other host need not boot one.",
  ],
  positionals: [word("SNAPSHOT", anyRef, "Name or id of the snapshot"), word("FILE", hostFile, "Archive to write")],
  options: { template: flag("SNAPSHOT is an image: export what its sandboxes start from") },
  examples: [
    ["snapshot export clean clean.tar", "Writes clean.tar and prints its digest"],
    ["snapshot export --template python python.tar", "Writes the template of the image python"],
  ],
  run: async ({ words: [ref, file], options: { template } }, context) => {
    const from = template
      ? { path: `/templates/${encodeURIComponent(validateImage(ref))}/export`, operation: "templates.export" }
      : { path: snapshotPath(validateRef(ref), "export"), operation: "snapshots.export" };
    const daemon = await context.daemon();
    let digest = "";
    const content = async () => {
      const { headers, body } = await daemon.download({
        method: "GET",
        ...from,
        patient: () => true,
      });
      digest = String(headers["x-mvm-digest"] ?? "");
      return body;
    };
    const written = await writeWhole(file, content, (work) => context.cancellation.race(work));
    await context.out.result({ [template ? "template" : "snapshot"]: ref, file, digest, bytes: written }, () =>
      printable(`${file}: ${bytes(written)}, ${digest}`),
    );
  },
});
