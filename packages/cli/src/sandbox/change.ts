import type { SandboxInfoDocument } from "@mvm/protocol";
import { sandboxPath } from "../daemon/daemon.js";
import type { Context } from "../output/context.js";
import { describe } from "./describe.js";

/** Changes a sandbox's machine as a whole, and says what it is afterwards. */
export async function changeSandbox(
  context: Context,
  name: string,
  verb: "pause" | "resume" | "cold" | "start" | "stop",
): Promise<void> {
  const daemon = await context.daemon();
  const sandbox = await daemon.call<SandboxInfoDocument>({
    method: "POST",
    path: sandboxPath(name, verb),
    operation: `sandboxes.${verb}`,
    patient: () => true,
  });
  await context.out.result(sandbox, () => (context.quiet ? "" : describe(sandbox)));
}
