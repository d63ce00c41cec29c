import type { SandboxInfoDocument } from "@mvm/protocol";
import { sandboxRef } from "../args/sandbox-ref.js";
import { command, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { facts } from "../render/facts.js";

export default command({
  summary: "Show everything about one sandbox",
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [["inspect devbox", "Shows state, resources, time left and which measures confine it"]],
  run: async ({ words: [name] }, context) => {
    const daemon = await context.daemon();
    const sandbox = await daemon.call<SandboxInfoDocument>({
      method: "GET",
      path: sandboxPath(name),
      operation: "sandboxes.inspect",
    });
    await context.out.result(sandbox, () => facts(sandbox, context.out.stdout.columns));
  },
});
