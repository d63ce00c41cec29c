import type { SnapshotInfo, SnapshotStreamEvent } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { newSnapshotName } from "../../args/snapshot-ref.js";
import { command, option, word } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { printable } from "../../render/escape.js";
import { bytes } from "../../render/units.js";
import { narrator } from "../../stream/notices.js";

export default command({
  summary: "Save a running or paused sandbox: memory, devices and disk of one instant",
  description: [
    "The sandbox goes on. A snapshot is as sensitive as whatever runs in the sandbox: its memory is in it.",
  ],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: { name: option(newSnapshotName, "Name of the snapshot", { defaultText: "none" }) },
  examples: [["snapshot save devbox --name clean", "Saves devbox as clean"]],
  run: async ({ words: [name], options }, context) => {
    const daemon = await context.daemon();
    const tell = narrator(context);
    let saved: SnapshotInfo | undefined;
    try {
      for await (const event of daemon.events<SnapshotStreamEvent>({
        method: "POST",
        path: sandboxPath(name, "snapshots"),
        operation: "snapshots.save",
        json: options.name === undefined ? {} : { name: options.name },
      })) {
        if (event.event === "saved") saved = event.snapshot;
        else await tell.hear(event);
      }
    } finally {
      tell.stop();
    }
    if (saved === undefined) {
      throw createError("OUTCOME_UNKNOWN", {
        message: "Cannot tell whether the snapshot was saved: the answer ended early",
      });
    }
    const snapshot = saved;
    await context.out.result(snapshot, () =>
      printable(`${snapshot.name ?? snapshot.id} is saved: ${bytes(snapshot.bytes)}, epoch ${snapshot.epoch}`),
    );
  },
});
