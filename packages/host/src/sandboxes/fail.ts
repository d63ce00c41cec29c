import { isEnded, type EndReason } from "@mvm/protocol";
import { fault } from "../observe/fault.js";
import { endMachine } from "./end-machine.js";
import { persist } from "./persist.js";
import { removeAllButEvidence } from "./remove-files.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";
import { moveTo } from "./state.js";

/**
 * Ends a sandbox whose machine died or can no longer be trusted. Pending calls learn that their outcome is unknown; the
 * disk is deleted, state and logs stay until the sandbox is destroyed or its time is over. Idempotent; never rejects.
 */
export function failSandbox(services: Services, sandbox: Sandbox, reason: EndReason, detail: string): Promise<void> {
  // A stop or destroy in progress wants the machine to go; a start in progress settles the state at its end.
  if (sandbox.starting !== null) sandbox.lost = { reason, detail };
  if (sandbox.starting !== null || sandbox.stopping !== null || sandbox.destroying !== null) return Promise.resolve();
  if (sandbox.failing !== null || isEnded(sandbox.state)) return sandbox.failing ?? Promise.resolve();
  sandbox.failing = run(services, sandbox, reason, detail).catch((error: unknown) => {
    services.log.error({ sandbox: sandbox.id, err: (error as Error).message }, "clean-up of a failed sandbox");
  });
  return sandbox.failing;
}

async function run(services: Services, sandbox: Sandbox, reason: EndReason, detail: string): Promise<void> {
  sandbox.logs.event("failed", { reason, detail });
  services.log.warn({ sandbox: sandbox.id, reason, detail }, "sandbox failed");
  moveTo(sandbox, "failed", reason);
  await endMachine(services, sandbox);
  fault("fail.after-kill");
  await removeAllButEvidence(sandbox);
  if (sandbox.destroying === null) persist(sandbox);
  sandbox.events.emit("ended", sandbox.state, sandbox.reason);
}
