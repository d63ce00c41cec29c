import process from "node:process";
import { rotateAndRecord } from "@mvm/evidence";
import { resolveHome } from "@mvm/sdk/client";
import { choice } from "../../args/choice.js";
import { command, option } from "../../command/define.js";

export default command({
  summary: "Replace the key that signs the audit log, or the one that signs receipts",
  description: [
    "The old key vouches for the new one in a `key.rotated` entry: whoever pinned the old audit key can still verify. Old " +
      "receipts go on verifying. The daemon uses the keys, so it must not run.",
  ],
  positionals: [],
  options: {
    purpose: option(choice("PURPOSE", ["audit", "receipt"]), "What the key signs: audit or receipt", {
      defaultText: "audit",
    }),
  },
  examples: [
    ["audit rotate-key", "Replaces the key of the audit log"],
    ["audit rotate-key --purpose receipt", "Replaces the key of receipts"],
  ],
  run: async ({ options }, context) => {
    const purpose = options.purpose ?? "audit";
    const actor = { uid: process.geteuid?.() ?? -1, pid: process.pid };
    const rotated = await rotateAndRecord(resolveHome(), purpose, actor);
    await context.out.result({ purpose, ...rotated }, () => `${purpose} key ${rotated.from} replaced by ${rotated.to}`);
  },
});
