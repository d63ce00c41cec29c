import { setTimeout as sleep } from "node:timers/promises";
import { deadline, GuestAgentError } from "@mvm/protocol";
import type { Live, Sandbox } from "./sandbox.js";
import { requireMachine } from "./state.js";

/** How often a guest that is writing files is asked again to freeze. Milliseconds. */
const againMs = 50;

/**
 * Writes memory, devices and, with `disk`, the disk of one instant to a directory. A running sandbox's file system is flushed
 * and frozen for that instant. Afterwards the machine goes on as before, unless it is kept stopped; after a failure always.
 * @throws {SandboxUnavailable} it is neither running nor paused
 * @throws {SnapshotError | GuestAgentError | OutcomeUnknownError}
 */
export async function captureLive(
  sandbox: Sandbox,
  target: string,
  options: { readonly disk: boolean; readonly operation: string; readonly keepStopped?: boolean },
): Promise<{ memoryOffset: number; frozen: boolean }> {
  const live = requireMachine(sandbox, options.operation);
  if (sandbox.state === "paused") {
    return { ...(await live.machine.capture(target, { disk: options.disk })), frozen: false };
  }
  let captured: { memoryOffset: number } | undefined;
  try {
    await freeze(live);
    captured = await live.machine.capture(target, { disk: options.disk });
    return { ...captured, frozen: true };
  } finally {
    if (captured === undefined || options.keepStopped !== true) await goOn(live);
  }
}

/** Lets a machine run again that was stopped for its capture, and gives it the right time. One that has died stays dead. */
export async function goOn({ machine, session }: Live): Promise<void> {
  try {
    await machine.resume();
    await Promise.all([session.refresh(), session.call({ op: "thaw" })]);
  } catch {
    // Whatever ended the machine or its agent ends the sandbox by itself.
  }
}

/** Flushes and freezes the guest's disk. File writes in progress are waited for. */
async function freeze({ session, machine }: Live): Promise<void> {
  const patience = deadline("fileOpIdle", machine.identity.accel);
  const until = performance.now() + patience;
  await session.call({ op: "sync" }, { deadlineMs: patience });
  for (;;) {
    try {
      await session.call({ op: "freeze" }, { deadlineMs: patience });
      return;
    } catch (error) {
      const busy = error instanceof GuestAgentError && error.code === "GUEST_UNAVAILABLE";
      if (!busy || performance.now() > until) throw error;
      await sleep(againMs);
    }
  }
}
