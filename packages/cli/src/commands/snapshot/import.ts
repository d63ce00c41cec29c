import { createReadStream } from "node:fs";
import type { SnapshotImported, TemplateImported } from "@mvm/protocol";
import { hostFile } from "../../args/host-path.js";
import { newSnapshotName } from "../../args/snapshot-ref.js";
import { command, flag, option, word } from "../../command/define.js";
import { invalidArgument, usageError } from "../../errors.js";
import { readBounded, requireReadable } from "../../host-file/read.js";
import { printable } from "../../render/escape.js";

export default command({
  summary: "Read a snapshot or a template from an archive that a host wrote",
  description: [
    "Believed are archives of this state root, and those signed with the key of --key. Signature and host are compared " +
      "before anything else is read; an archive that is refused leaves nothing.",
    "A template replaces the one that this host has of the same image and size; its image must be there.",
  ],
  positionals: [word("FILE", hostFile, "Archive to read")],
  options: {
    name: option(newSnapshotName, "Name of the snapshot", { defaultText: "as it was exported" }),
    template: flag("It is a template: sandboxes of its image and size start from it"),
    key: option(hostFile, "Public key of the exporting host: its keys/snapshot-export.key.pub"),
  },
  examples: [
    ["snapshot import clean.tar --key other-host.pub", "Imports what another host exported"],
    ["snapshot import --template python.tar --key other-host.pub", "Imports a template of it"],
  ],
  run: async ({ words: [file], options }, context) => {
    if (options.template && options.name !== undefined) {
      throw usageError("Cannot name a template: it is known by its image", "Leave --name out");
    }
    requireReadable(file);
    const key = options.key === undefined ? undefined : publicKey(options.key);
    const daemon = await context.daemon();
    const send = { method: "POST", body: () => createReadStream(file), patient: () => true } as const;
    if (options.template) {
      const call = { ...send, path: "/templates/import", operation: "templates.import", query: { key } };
      const imported = await daemon.call<TemplateImported>(call);
      const { template, digest } = imported;
      return context.out.result(imported, () =>
        printable(`the template ${template.key} of ${template.image.name} is imported: ${digest}`),
      );
    }
    const call = { ...send, path: "/snapshots/import", operation: "snapshots.import" };
    const imported = await daemon.call<SnapshotImported>({ ...call, query: { name: options.name, key } });
    const { snapshot, digest } = imported;
    return context.out.result(imported, () => printable(`${snapshot.name ?? snapshot.id} is imported: ${digest}`));
  },
});

/** Bytes of a key file; a real one has about a hundred. */
const maxKeyBytes = 4096;

function publicKey(path: string): string {
  const bytes = readBounded(path, maxKeyBytes);
  if (bytes === "too_large") throw invalidArgument(`Cannot use ${JSON.stringify(path)} as --key: it is no public key`);
  return bytes.toString("utf8");
}
