import { mkdirSync, renameSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { fault } from "../observe/fault.js";
import { keepPorts } from "../ports/bind-again.js";
import { describe } from "../snapshots/save.js";
import { temporarySuffix, writeFileAtomic } from "../store/atomic.js";
import { captureLive, goOn } from "./capture.js";
import { changing } from "./changing.js";
import { endMachine } from "./end-machine.js";
import { persist, persistIfPossible } from "./persist.js";
import type { Sandbox } from "./sandbox.js";
import { savedEnv } from "./saved-env.js";
import type { Services } from "./services.js";
import { moveTo, requireMachine } from "./state.js";

/** What a cold sandbox keeps beside its own disk. */
const coldParts = ["memory", "state"];

/**
 * Puts a running or paused sandbox on the host's storage and ends its process: memory and devices sealed beside its disk. Its
 * commands go on when it wakes; the calls that wait for them end with an unknown outcome. Cooling a cold sandbox does nothing.
 * A failure leaves it as it was.
 * @throws {SandboxUnavailable} it is in another state
 * @throws {SnapshotError}
 */
export async function coldSandbox(services: Services, sandbox: Sandbox): Promise<void> {
  await changing(sandbox, async () => {
    if (sandbox.state === "cold" && sandbox.destroying === null) return;
    requireMachine(sandbox, "cool");
    const wasRunning = sandbox.state === "running";
    const { cold } = sandbox.files;
    const making = `${cold}${temporarySuffix}`;
    let stopped = false;
    try {
      rmSync(making, { recursive: true, force: true });
      mkdirSync(making, { mode: 0o700 });
      const options = { disk: false, operation: "cool", keepStopped: true };
      const { memoryOffset, frozen } = await captureLive(services, sandbox, making, options);
      stopped = wasRunning;
      fault("cold.after-capture");
      await seal(services, sandbox, making, { memory_offset: memoryOffset, frozen });
    } catch (error) {
      if (stopped && sandbox.live !== null) await goOn(services, sandbox, sandbox.live);
      services.snapshots.forgetSandbox(sandbox.id);
      for (const path of [making, cold]) await rm(path, { recursive: true, force: true });
      throw error;
    }
    keepPorts(sandbox);
    await endMachine(services, sandbox);
    fault("cold.after-kill");
    moveTo(sandbox, "cold");
    sandbox.clock.stop();
    // That it is cold is written down already.
    persistIfPossible(services, sandbox);
  });
}

/** From the end of this on, a daemon that dies leaves a cold sandbox whose process is still to be ended. */
async function seal(
  services: Services,
  sandbox: Sandbox,
  making: string,
  captured: { readonly memory_offset: number; readonly frozen: boolean },
): Promise<void> {
  const { cold } = sandbox.files;
  const manifest = await describe(services, sandbox, making, coldParts, {});
  services.snapshots.vouch(making, { ...manifest, ...captured, id: sandbox.id, name: sandbox.plan.name });
  // It may have died, or been destroyed, while it was saved.
  requireMachine(sandbox, "cool");
  rmSync(cold, { recursive: true, force: true });
  renameSync(making, cold);
  services.snapshots.remember(cold, manifest.parts);
  const env = savedEnv(sandbox);
  if (Object.keys(env).length > 0) writeFileAtomic(sandbox.files.env, JSON.stringify(env));
  fault("cold.before-journal");
  persist(sandbox, { state: "cold" });
  fault("cold.after-journal");
}
