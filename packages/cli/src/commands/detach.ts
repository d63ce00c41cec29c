import { userInfo } from "node:os";
import type { SandboxInfoDocument } from "@mvm/protocol";
import { defaultTimeToLive, timeToDetach } from "../args/duration.js";
import { sandboxRef } from "../args/sandbox-ref.js";
import { text } from "../args/text.js";
import { command, option, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { span } from "../render/units.js";
import { describe } from "../sandbox/describe.js";

export default command({
  summary: "Let a sandbox outlive the program that made it",
  description: ["From then on its time to live ends it, and the owner answers for it."],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {
    ttl: option(timeToDetach, "Time to live, such as 2h", { defaultText: span(defaultTimeToLive * 1000) }),
    owner: option(text("OWNER"), "Who answers for it", { defaultText: "this user" }),
  },
  examples: [["detach devbox --ttl 2h", "Lets devbox live for two more hours on its own"]],
  run: async ({ words: [name], options }, context) => {
    const daemon = await context.daemon();
    const sandbox = await daemon.call<SandboxInfoDocument>({
      method: "POST",
      path: sandboxPath(name, "detach"),
      operation: "sandboxes.detach",
      json: { ttl_seconds: options.ttl ?? defaultTimeToLive, owner: options.owner ?? userInfo().username },
    });
    await context.out.result(sandbox, () => (context.quiet ? "" : describe(sandbox)));
  },
});
