import { createReadStream } from "node:fs";
import type { SnapshotImported } from "@mvm/protocol";
import { hostFile } from "../../args/host-path.js";
import { newSnapshotName } from "../../args/snapshot-ref.js";
import { command, option, word } from "../../command/define.js";
import { invalidArgument } from "../../errors.js";
import { readBounded, requireReadable } from "../../host-file/read.js";
import { printable } from "../../render/escape.js";

export default command({
  summary: "Read a snapshot from an archive that a host wrote",
  description: [
    "Believed are archives of this state root, and those signed with the key of --key. Signature and host are compared " +
      "before anything else is read; an archive that is refused leaves nothing.",
  ],
  positionals: [word("FILE", hostFile, "Archive to read")],
  options: {
    name: option(newSnapshotName, "Name of the snapshot", { defaultText: "as it was exported" }),
    key: option(hostFile, "Public key of the exporting host: its keys/snapshot-export.key.pub"),
  },
  examples: [["snapshot import clean.tar --key other-host.pub", "Imports what another host exported"]],
  run: async ({ words: [file], options }, context) => {
    requireReadable(file);
    const key = options.key === undefined ? undefined : publicKey(options.key);
    const daemon = await context.daemon();
    const imported = await daemon.call<SnapshotImported>({
      method: "POST",
      path: "/snapshots/import",
      operation: "snapshots.import",
      query: { name: options.name, key },
      body: () => createReadStream(file),
      patient: () => true,
    });
    const { snapshot, digest } = imported;
    await context.out.result(imported, () => printable(`${snapshot.name ?? snapshot.id} is imported: ${digest}`));
  },
});

/** Bytes of a key file; a real one has about a hundred. */
const maxKeyBytes = 4096;

function publicKey(path: string): string {
  const bytes = readBounded(path, maxKeyBytes);
  if (bytes === "too_large") throw invalidArgument(`Cannot use ${JSON.stringify(path)} as --key: it is no public key`);
  return bytes.toString("utf8");
}
