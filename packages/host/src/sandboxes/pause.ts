import { fault } from "../observe/fault.js";
import { changing } from "./changing.js";
import { persist } from "./persist.js";
import type { Sandbox } from "./sandbox.js";
import { moveTo, requireLive } from "./state.js";

/**
 * Stops a sandbox's vCPUs; its memory stays in the host's. Commands in flight stand still, their time limits too. Pausing a
 * paused sandbox does nothing.
 * @throws {SandboxUnavailable} it is neither running nor paused
 */
export async function pauseSandbox(sandbox: Sandbox): Promise<void> {
  await changing(sandbox, async () => {
    if (sandbox.state === "paused" && sandbox.destroying === null) return;
    const { machine } = requireLive(sandbox, "pause");
    await machine.pause();
    // It may have ended while it was being paused.
    requireLive(sandbox, "pause");
    fault("pause.before-journal");
    try {
      persist(sandbox, { state: "paused" });
    } catch (error) {
      await machine.resume();
      throw error;
    }
    moveTo(sandbox, "paused");
    sandbox.clock.stop();
  });
}
