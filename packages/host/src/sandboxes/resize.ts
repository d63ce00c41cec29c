import { deadline, VmConfigError, type SandboxMemory } from "@mvm/protocol";
import { fault } from "../observe/fault.js";
import { changing } from "./changing.js";
import { limitMemory, memoryOf, notFollowed, withFigures } from "./memory.js";
import { persist } from "./persist.js";
import type { Sandbox } from "./sandbox.js";
import { requireLive } from "./state.js";

/**
 * Sets what the programs of a running sandbox may use together, in MiB, up to the memory of its machine. Less than they use is
 * taken from what the kernel keeps for them only; nothing is killed for it. It lasts until the next resize, in forks and
 * restores too.
 * @throws {BalloonTransientError} they hold more than that; the limit is as it was
 * @throws {VmConfigError} the machine has less
 * @throws {SandboxUnavailable} it does not run
 */
export async function resizeSandbox(sandbox: Sandbox, memoryMb: number): Promise<SandboxMemory> {
  const ceilingMb = sandbox.plan.memoryMb;
  if (memoryMb > ceilingMb) throw beyondCeiling(sandbox, memoryMb);
  return await changing(sandbox, async () => {
    const live = requireLive(sandbox, "resize");
    const before = sandbox.memoryLimitMb;
    if (memoryMb < memoryOf(sandbox).limit_mb) {
      await live.session.call({ op: "sync" }, { deadlineMs: deadline("fileOpIdle", live.machine.identity.accel) });
    }
    const answer = await limitMemory(live, memoryMb);
    if (!answer.followed) throw notFollowed(sandbox, memoryMb, answer);
    sandbox.memoryLimitMb = memoryMb === ceilingMb ? null : memoryMb;
    fault("resize.before-journal");
    try {
      persist(sandbox);
    } catch (error) {
      sandbox.memoryLimitMb = before;
      await limitMemory(live, before ?? ceilingMb);
      throw error;
    }
    sandbox.logs.event("resized", { memory_mb: memoryMb });
    return withFigures(sandbox, answer);
  });
}

function beyondCeiling({ id, plan }: Sandbox, memoryMb: number): VmConfigError {
  return new VmConfigError({
    message: `Cannot give the programs of sandbox "${plan.name ?? id}" ${memoryMb} MiB: its machine has ${plan.memoryMb} MiB`,
    hint: `Ask for at most ${plan.memoryMb}M, or create a sandbox with more memory`,
    operation: "sandboxes.resize",
    sandboxId: id,
    context: { asked_mb: memoryMb, ceiling_mb: plan.memoryMb },
  });
}
