import type { SandboxInfoDocument } from "@mvm/protocol";
import { timeToLive } from "../args/duration.js";
import { sandboxRef } from "../args/sandbox-ref.js";
import { command, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { describe } from "../sandbox/describe.js";

export default command({
  summary: "Set how long a sandbox still lives, from now",
  positionals: [
    word("NAME", sandboxRef, "Name or id of the sandbox"),
    word("DURATION", timeToLive, "Such as 2h, or never"),
  ],
  options: {},
  examples: [["ttl devbox 2h", "Lets devbox live for two hours from now"]],
  run: async ({ words: [name, ttl] }, context) => {
    const daemon = await context.daemon();
    const sandbox = await daemon.call<SandboxInfoDocument>({
      method: "PUT",
      path: sandboxPath(name, "ttl"),
      operation: "sandboxes.ttl",
      json: { ttl_seconds: ttl },
    });
    await context.out.result(sandbox, () => (context.quiet ? "" : describe(sandbox)));
  },
});
