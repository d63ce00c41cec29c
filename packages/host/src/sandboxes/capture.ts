import { setTimeout as sleep } from "node:timers/promises";
import {
  type Accelerator,
  deadline,
  GuestAgentError,
  isSandboxError,
  SandboxUnavailable,
  SnapshotError,
} from "@mvm/protocol";
import { failSandbox } from "./fail.js";
import type { Live, Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";
import { requireMachine } from "./state.js";
import { within } from "./within.js";

/** How often a guest that is writing files is asked again to freeze. Milliseconds. */
const againMs = 50;

/**
 * Writes memory, devices and, with `disk`, the disk of one instant to a directory. A running sandbox's file system is flushed
 * and frozen for that instant. Afterwards the machine goes on as before, unless it is kept stopped; after a failure always.
 * Time limits of commands stand still meanwhile.
 * @throws {SandboxUnavailable} it is neither running nor paused
 * @throws {SnapshotError} nothing usable was written
 */
export async function captureLive(
  services: Services,
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
    await freeze(live, options.operation);
    sandbox.clock.stop();
    captured = await live.machine.capture(target, { disk: options.disk });
    return { ...captured, frozen: true };
  } finally {
    if (captured === undefined || options.keepStopped !== true) await goOn(services, sandbox, live);
  }
}

/**
 * Lets a machine run again that was stopped for its capture, and gives it the right time. One that does not go on although it
 * lives has failed: nobody could use it.
 */
export async function goOn(services: Services, sandbox: Sandbox, live: Live): Promise<void> {
  const { machine, session } = live;
  try {
    await machine.resume();
  } catch {
    // Without a machine of its own the sandbox has ended already, or is about to.
    if (sandbox.live === live) void failSandbox(services, sandbox, "crashed", "it did not go on after it was saved");
    return;
  }
  sandbox.clock.go();
  const answer = Promise.all([session.refresh(), session.call({ op: "thaw" })]);
  // A guest that does not answer is no reason to wait for ever; whoever needs it next finds out.
  await within(answer, deadline("resume", machine.identity.accel), "agent-resume").catch(() => undefined);
}

/** Flushes and freezes the guest's disk. File writes in progress are waited for. */
async function freeze({ session, machine }: Live, operation: string): Promise<void> {
  const accel: Accelerator = machine.identity.accel;
  const patience = deadline("fileOpIdle", accel);
  const until = performance.now() + patience;
  try {
    await session.call({ op: "sync" }, { deadlineMs: patience });
    for (;;) {
      try {
        return void (await session.call({ op: "freeze" }, { deadlineMs: patience }));
      } catch (error) {
        const busy = error instanceof GuestAgentError && error.code === "GUEST_UNAVAILABLE";
        if (!busy || performance.now() > until) throw error;
        await sleep(againMs);
      }
    }
  } catch (cause) {
    if (cause instanceof SandboxUnavailable) throw cause;
    const why = isSandboxError(cause) ? cause.message : "unknown failure";
    throw new SnapshotError({
      message: `Cannot ${operation} the sandbox: its guest does not flush its disk: ${why}`,
      hint: "The sandbox goes on. Try again when it is less busy, or pause it first: a paused one is not asked",
      cause,
      outcome: "not_started",
    });
  }
}
