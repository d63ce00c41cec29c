import { BalloonTransientError, deadline, type AgentMemory, type SandboxMemory } from "@mvm/protocol";
import { checkedAnswer } from "./agent-answer.js";
import type { Live, Sandbox } from "./sandbox.js";

/** What the host knows of a sandbox's memory by itself. */
export function memoryOf({ plan, memoryLimitMb }: Sandbox): SandboxMemory {
  return {
    ...{ reserved_mb: plan.memoryMb, limit_mb: memoryLimitMb ?? plan.memoryMb },
    ...{ used_bytes: null, held_bytes: null, peak_bytes: null, reclaimed_bytes: null },
  };
}

/** Together with what its guest says, if it can answer and does so soon. Looking at a sandbox is no use of it. */
export async function measuredMemory(sandbox: Sandbox): Promise<SandboxMemory> {
  const { live, state, changing } = sandbox;
  // While it is being saved its vCPUs stand still.
  if (live === null || state !== "running" || changing !== null || !live.session.greeted) return memoryOf(sandbox);
  try {
    return withFigures(sandbox, await ask(live, {}, deadline("memoryFigures", live.machine.identity.accel)));
  } catch {
    return memoryOf(sandbox);
  }
}

/** What the host knows, and what the guest has just said. */
export function withFigures(sandbox: Sandbox, { used, held, peak, reclaimed }: AgentMemory): SandboxMemory {
  const figures = { used_bytes: used, held_bytes: held, peak_bytes: peak, reclaimed_bytes: reclaimed };
  return { ...memoryOf(sandbox), ...figures };
}

/**
 * Sets what commands may use together, in MiB. Whoever lowers it has flushed the guest's disk before: pages that are not on
 * disk cannot be dropped.
 * @throws what the session throws
 */
export async function limitMemory(live: Live, limitMb: number): Promise<AgentMemory> {
  return await ask(live, { limit_mb: limitMb }, deadline("memoryResize", live.machine.identity.accel));
}

/**
 * Makes the guest's limit the recorded one: of a machine that booted anew, or of one whose former daemon may have died between
 * the two. Where programs hold more already, they keep what they have, and that is recorded: a sandbox that cannot start could
 * not be resized either.
 */
export async function keepLimit(sandbox: Sandbox, live: Live): Promise<void> {
  const { plan, memoryLimitMb } = sandbox;
  try {
    const { followed, limit } = await limitMemory(live, memoryLimitMb ?? plan.memoryMb);
    if (followed) return;
    sandbox.memoryLimitMb = Math.min(plan.memoryMb, Math.ceil(limit / 1024 ** 2));
    sandbox.logs.event("memory.limit", { wanted_mb: memoryLimitMb, limit_mb: sandbox.memoryLimitMb });
  } catch (error) {
    // An older agent knows no limits; its machine has none.
    sandbox.logs.event("memory.unknown", { detail: (error as Error).message });
  }
}

/** The error for programs that hold more than they were to be left with. */
export function notFollowed(sandbox: Sandbox, askedMb: number, { used, held }: AgentMemory): BalloonTransientError {
  const inUse = `they use ${mebibytes(used)} MiB, of which ${mebibytes(held)} MiB cannot be taken back`;
  return new BalloonTransientError({
    message: `Cannot leave the programs of sandbox "${sandbox.plan.name ?? sandbox.id}" with ${askedMb} MiB: ${inUse}`,
    operation: "sandboxes.resize",
    sandboxId: sandbox.id,
    context: { asked_mb: askedMb, limit_mb: memoryOf(sandbox).limit_mb, used_bytes: used, held_bytes: held },
  });
}

async function ask(live: Live, fields: { limit_mb?: number }, deadlineMs: number): Promise<AgentMemory> {
  return checkedAnswer("memory", await live.session.call({ op: "memory", ...fields }, { deadlineMs }));
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 1024 ** 2);
}
