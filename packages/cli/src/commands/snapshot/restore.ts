import { newSandboxName } from "../../args/sandbox-ref.js";
import { snapshotRef } from "../../args/snapshot-ref.js";
import { command, option, word } from "../../command/define.js";
import { createdBy } from "../../sandbox/created.js";
import { describe } from "../../sandbox/describe.js";
import { lifetimeOptions, lifetimeRequest } from "../../sandbox/lifetime-options.js";
import { snapshotPath } from "../../snapshot/path.js";

export default command({
  summary: "Make a sandbox that goes on where a snapshot was taken",
  description: [
    "Its seal, its parts and what it needs of this host are checked before any of it is used. The new sandbox has randomness, host name, machine id and clock of its own.",
  ],
  positionals: [word("SNAPSHOT", snapshotRef, "Name or id of the snapshot")],
  options: { name: option(newSandboxName, "Name of the new sandbox", { defaultText: "none" }), ...lifetimeOptions },
  examples: [["snapshot restore clean --name devbox2", "Restores clean as devbox2"]],
  run: async ({ words: [ref], options }, context) => {
    const json = { ...(options.name === undefined ? {} : { name: options.name }), ...lifetimeRequest(options) };
    const call = { method: "POST", path: snapshotPath(ref, "restore"), operation: "snapshots.restore", json } as const;
    for (const { sandbox, timings } of await createdBy(context, call, 1)) {
      await context.out.result({ ...sandbox, timings }, () => describe(sandbox));
    }
  },
});
