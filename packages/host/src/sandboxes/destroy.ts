import { type EndReason, SandboxUnavailable } from "@mvm/protocol";
import { fault } from "../observe/fault.js";
import { endMachine } from "./end-machine.js";
import { persistIfPossible } from "./persist.js";
import { removeDirectory } from "./remove-files.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";
import { moveTo } from "./state.js";

/** What a deletion means, in the words of the API. */
export const destroyGuarantee =
  "The machine's process is gone and its files are unlinked. Blocks are not overwritten: on SSDs and copy-on-write file systems old data may stay readable on the device until it is reused";

/**
 * Ends a sandbox and deletes all of its state. Callers at the same time share one clean-up; a start in progress is
 * cancelled first.
 * @throws {CleanupError} something is left; calling again tries again
 */
export function destroySandbox(services: Services, sandbox: Sandbox, reason: EndReason): Promise<void> {
  sandbox.destroying ??= run(services, sandbox, reason).catch((error: unknown) => {
    sandbox.destroying = null;
    throw error;
  });
  return sandbox.destroying;
}

async function run(services: Services, sandbox: Sandbox, reason: EndReason): Promise<void> {
  if (sandbox.starting !== null) {
    sandbox.starting.abort.abort(cancelled(sandbox, reason));
    await sandbox.starting.settled;
  }
  await sandbox.stopping?.catch(() => undefined);
  await sandbox.failing;
  for (const timer of sandbox.timers.splice(0)) timer.cancel();
  sandbox.idleTimer?.cancel();
  if (sandbox.state !== "destroyed") {
    // A sandbox that had failed keeps that reason: it is what its owner wants to know.
    moveTo(sandbox, "destroyed", sandbox.state === "failed" ? (sandbox.reason ?? reason) : reason);
    // Recovery must not bring back what was being deleted when the daemon died.
    if (sandbox.detached) persistIfPossible(services, sandbox);
  }
  fault("destroy.before-kill");
  await endMachine(services, sandbox);
  fault("destroy.after-kill");
  // A capture in progress fails with its machine and cleans up after itself.
  await sandbox.changing;
  await removeDirectory(sandbox);
  services.snapshots.forgetSandbox(sandbox.id);
  fault("destroy.after-files");
  services.registry.forget(sandbox);
  services.log.info({ sandbox: sandbox.id, reason: sandbox.reason }, "sandbox destroyed");
  sandbox.events.emit("ended", sandbox.state, sandbox.reason);
}

function cancelled(sandbox: Sandbox, reason: EndReason): SandboxUnavailable {
  return new SandboxUnavailable({
    message: `Cannot start sandbox "${sandbox.plan.name ?? sandbox.id}": it was destroyed meanwhile (${reason})`,
    state: "destroyed",
    reason,
    operation: "sandboxes.create",
    sandboxId: sandbox.id,
  });
}
