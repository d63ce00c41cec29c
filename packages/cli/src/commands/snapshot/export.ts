import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { hostFile } from "../../args/host-path.js";
import { snapshotRef } from "../../args/snapshot-ref.js";
import { command, word } from "../../command/define.js";
import { printable } from "../../render/escape.js";
import { bytes } from "../../render/units.js";
import { snapshotPath } from "../../snapshot/path.js";

export default command({
  summary: "Write a snapshot to an archive for another host",
  description: [
    "The archive is signed, and as sensitive as the snapshot: its memory is in it. FILE is there whole or not at all.",
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
    const { headers, body } = await daemon.download({
      method: "GET",
      path: snapshotPath(ref, "export"),
      operation: "snapshots.export",
      patient: () => true,
    });
    const digest = String(headers["x-mvm-digest"] ?? "");
    const half = `${file}.${process.pid}.part`;
    const out = createWriteStream(half, { flags: "wx", mode: 0o600 });
    try {
      await context.cancellation.race(pipeline(body, out));
      await rename(half, file);
    } catch (error) {
      await rm(half, { force: true });
      throw error;
    }
    const written = { snapshot: ref, file, digest, bytes: out.bytesWritten };
    await context.out.result(written, () => printable(`${file}: ${bytes(out.bytesWritten)}, ${digest}`));
  },
});
