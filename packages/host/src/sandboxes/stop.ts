import { rm } from "node:fs/promises";
import { deadline } from "@mvm/protocol";
import { fault } from "../observe/fault.js";
import { keepPorts } from "../ports/bind-again.js";
import { writeFileAtomic } from "../store/atomic.js";
import { endMachine } from "./end-machine.js";
import { persist } from "./persist.js";
import type { Live, Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";
import { moveTo, requireMachine } from "./state.js";
import { within } from "./within.js";

/**
 * Ends a sandbox's machine and keeps its disk: the guest syncs and powers off, or is killed when it does not within its
 * deadline. Callers at the same time share one stop; stopping a stopped sandbox does nothing.
 * A paused one goes on to do so; of a cold one the saved memory is deleted.
 * @throws {SandboxUnavailable} it is in another state
 */
export async function stopSandbox(services: Services, sandbox: Sandbox): Promise<void> {
  while (sandbox.changing !== null) await sandbox.changing;
  if (sandbox.state === "stopped") return;
  if (sandbox.state === "cold" && sandbox.destroying === null) return await stopCold(services, sandbox);
  if (sandbox.stopping === null) {
    const live = requireMachine(sandbox, "stop");
    sandbox.stopping = run(services, sandbox, live).finally(() => (sandbox.stopping = null));
  }
  await sandbox.stopping;
}

/** Its disk was flushed when it was saved. */
async function stopCold(services: Services, sandbox: Sandbox): Promise<void> {
  persist(sandbox, { state: "stopped", reason: "stopped" });
  moveTo(sandbox, "stopped", "stopped");
  services.snapshots.forgetSandbox(sandbox.id);
  await rm(sandbox.files.cold, { recursive: true, force: true });
}

async function run(services: Services, sandbox: Sandbox, live: Live): Promise<void> {
  // From now on only this file knows the environment a later start needs.
  const env = sandbox.plan.env;
  if (Object.keys(env).length > 0) writeFileAtomic(sandbox.files.env, JSON.stringify(env));
  // A daemon that dies from here on leaves a sandbox that is being stopped, not one whose machine was lost.
  if (sandbox.detached) persist(sandbox, { state: "stopped", reason: "stopped" });
  if (sandbox.state === "paused") await letRun(live);
  const patience = deadline("shutdown", live.machine.identity.accel);
  const clean = await shutDown(live, patience);
  fault("stop.before-kill");
  keepPorts(sandbox);
  await endMachine(services, sandbox);
  fault("stop.after-kill");
  moveTo(sandbox, "stopped", "stopped");
  sandbox.logs.event("stopped", { clean });
  persist(sandbox);
}

/** A paused guest runs again to power off; one that a former daemon paused has not been greeted yet. */
async function letRun({ machine, session }: Live): Promise<void> {
  try {
    await machine.resume();
    await within(session.refresh(), deadline("resume", machine.identity.accel), "agent-resume");
  } catch {
    // Then it is killed when its time to power off is over.
  }
}

/** Whether the guest powered off by itself in time. */
async function shutDown({ session, machine }: Live, patience: number): Promise<boolean> {
  const answer = session.call({ op: "shutdown" }, { deadlineMs: patience });
  answer.catch(() => undefined);
  try {
    await within(Promise.race([machine.exited, answer.then(() => machine.exited)]), patience, "shutdown");
    return true;
  } catch {
    return false;
  }
}
