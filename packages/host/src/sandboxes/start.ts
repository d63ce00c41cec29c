import type { Progress } from "../backends/backend.js";
import { bindKept } from "../ports/bind-again.js";
import { admitAgain } from "./admit-again.js";
import { beginStarting, failIfLost } from "./create.js";
import { giveSecrets } from "./give-secrets.js";
import { persist } from "./persist.js";
import { outliveDaemon } from "./outlive.js";
import type { Sandbox } from "./sandbox.js";
import { savedEnv } from "./saved-env.js";
import type { Services } from "./services.js";
import { startMachine } from "./start-machine.js";
import { moveTo, unavailable } from "./state.js";

export interface RestartOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  readonly onNotice?: (message: string) => void;
}

/**
 * Starts a stopped sandbox again on its own disk, with the image and environment it was created with. It stays stopped
 * when that fails. Starting a running sandbox does nothing.
 * @throws {SandboxUnavailable} it is in another state
 * @throws {PolicyDenied} policy has become stricter since
 */
export async function startSandbox(services: Services, sandbox: Sandbox, options: RestartOptions): Promise<void> {
  if (sandbox.state === "running" && sandbox.stopping === null && sandbox.destroying === null) return;
  const busy = sandbox.starting !== null || sandbox.stopping !== null || sandbox.destroying !== null;
  if (sandbox.state !== "stopped" || busy) throw unavailable(sandbox, "start");
  const began = performance.now();
  const start = beginStarting(sandbox, options.signal);
  try {
    const image = await services.images.ready(sandbox.image.digest, { ...options, signal: start.signal });
    const admitted = await admitAgain(services, sandbox);
    await giveSecrets(services, sandbox, admitted.plan.secrets);
    await startMachine(services, sandbox, admitted, {
      imagePath: image.path,
      env: savedEnv(sandbox),
      keepDisk: true,
      signal: start.signal,
      onProgress: options.onProgress,
      onNotice: options.onNotice,
      waitReady: true,
      began,
    });
    moveTo(sandbox, "running");
    sandbox.clock.go();
    sandbox.readyAt = new Date().toISOString();
    await bindKept(services, sandbox);
    // As a create does: the record comes last.
    outliveDaemon(services, sandbox);
    persist(sandbox);
  } finally {
    start.done();
    failIfLost(services, sandbox);
  }
}
