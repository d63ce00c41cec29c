import { rm } from "node:fs/promises";
import { fault } from "../observe/fault.js";
import { bindKept } from "../ports/bind-again.js";
import { backendOf, requireFitting } from "../snapshots/restore.js";
import { admitAgain } from "./admit-again.js";
import { beginStarting, failIfLost } from "./create.js";
import { giveSecrets } from "./give-secrets.js";
import { persist, persistIfPossible } from "./persist.js";
import { outliveDaemon } from "./outlive.js";
import type { Sandbox } from "./sandbox.js";
import { savedEnv } from "./saved-env.js";
import type { Services } from "./services.js";
import type { RestartOptions } from "./start.js";
import { startMachine } from "./start-machine.js";
import { moveTo } from "./state.js";

/**
 * Wakes a cold sandbox on its own disk, after comparing what was saved with its seal. It stays cold when that fails before its
 * vCPUs run.
 * @throws {SnapshotMismatchError | BackendUnsupported}
 * @throws {PolicyDenied} policy has become stricter since
 */
export async function wakeSandbox(services: Services, sandbox: Sandbox, options: RestartOptions): Promise<void> {
  const began = performance.now();
  const admitted = await admitAgain(services, sandbox);
  const { snapshots } = services;
  const { cold } = sandbox.files;
  const captured = snapshots.check(
    sandbox.id,
    cold,
    `the saved memory of sandbox "${sandbox.plan.name ?? sandbox.id}"`,
  );
  const backend = backendOf(services, captured.manifest);
  await requireFitting(captured, backend);
  options.onProgress?.({ phase: "verify", detail: "comparing the saved memory with its seal" });
  await snapshots.verify(captured, backend, { signal: options.signal });
  const start = beginStarting(sandbox, options.signal);
  let ran = false;
  try {
    const image = await services.images.ready(sandbox.image.digest, { ...options, signal: start.signal });
    moveTo(sandbox, "restoring");
    persist(sandbox);
    fault("wake.before-start");
    await giveSecrets(services, sandbox, admitted.plan.secrets);
    await startMachine(services, sandbox, admitted, {
      imagePath: image.path,
      env: savedEnv(sandbox),
      keepDisk: true,
      captured: { directory: cold, memoryOffset: captured.manifest.memory_offset },
      // The disk and the saved memory are of one instant until the first instruction; from then on only forward.
      beforeRun: () => {
        fault("wake.before-journal");
        // From that journal entry on its machine must outlive this daemon: there is no other way back.
        outliveDaemon(services, sandbox);
        persist(sandbox, { state: "running" });
        fault("wake.after-journal");
        ran = true;
      },
      signal: start.signal,
      onProgress: options.onProgress,
      onNotice: options.onNotice,
      waitReady: true,
      began,
    });
    moveTo(sandbox, "running");
    sandbox.readyAt = new Date().toISOString();
    sandbox.clock.go();
    await bindKept(services, sandbox);
    // That it runs is written down already.
    persistIfPossible(services, sandbox);
    snapshots.forgetSandbox(sandbox.id);
    fault("wake.after-forget");
    await rm(cold, { recursive: true, force: true });
  } catch (error) {
    if (!ran && sandbox.state === "restoring") {
      sandbox.state = "cold";
      // "restoring" means the same to the next daemon.
      persistIfPossible(services, sandbox);
    } else if (sandbox.state === "restoring") {
      sandbox.lost ??= { reason: "crashed", detail: "it did not wake" };
    }
    throw error;
  } finally {
    start.done();
    failIfLost(services, sandbox);
  }
}
