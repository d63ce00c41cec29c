import type { SandboxInfoDocument } from "@mvm/protocol";
import { sandboxRef } from "../args/sandbox-ref.js";
import { command, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { describe } from "../sandbox/describe.js";

export default command({
  summary: "Stop a sandbox: its processes and memory are gone, its disk is kept",
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [["stop devbox", "Stops devbox"]],
  run: async ({ words: [name] }, context) => {
    const daemon = await context.daemon();
    const sandbox = await daemon.call<SandboxInfoDocument>({
      method: "POST",
      path: sandboxPath(name, "stop"),
      operation: "sandboxes.stop",
    });
    await context.out.result(sandbox, () => (context.quiet ? "" : describe(sandbox)));
  },
});
