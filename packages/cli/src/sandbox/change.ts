import type { SandboxInfoDocument } from "@mvm/protocol";
import { type Daemon, sandboxPath } from "../daemon/daemon.js";
import type { Context } from "../output/context.js";
import { describe } from "./describe.js";

type Change = "pause" | "resume" | "cold" | "start" | "stop";

/** Changes a sandbox's machine as a whole. */
export function changed(daemon: Daemon, name: string, verb: Change): Promise<SandboxInfoDocument> {
  return daemon.call({
    method: "POST",
    path: sandboxPath(name, verb),
    operation: `sandboxes.${verb}`,
    patient: () => true,
  });
}

/** Changes a sandbox's machine as a whole, and says what it is afterwards. */
export async function changeSandbox(context: Context, name: string, verb: Change): Promise<void> {
  const sandbox = await changed(await context.daemon(), name, verb);
  await context.out.result(sandbox, () => (context.quiet ? "" : describe(sandbox)));
}
