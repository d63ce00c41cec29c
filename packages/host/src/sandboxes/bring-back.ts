import { rm } from "node:fs/promises";
import { BackendUnsupported, deadline, PolicyDenied } from "@mvm/protocol";
import type { Backend, Machine } from "../backends/backend.js";
import { adoptCommands } from "../commands/adopt.js";
import { fault } from "../observe/fault.js";
import { bindAgain } from "../ports/bind-again.js";
import type { StateFile } from "../store/state-file.js";
import { admitAgain } from "./admit-again.js";
import { attachMachine } from "./attach-machine.js";
import { endMachine } from "./end-machine.js";
import { giveSecrets } from "./give-secrets.js";
import { armIdle } from "./idle.js";
import { keepLimit } from "./memory.js";
import { persist, fromStateFile } from "./persist.js";
import { reapLeftovers } from "./reap.js";
import { removeAllButEvidence, removeUnfinished } from "./remove-files.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";
import { shareDirectories } from "./share-directories.js";
import { moveTo } from "./state.js";
import { armTtl } from "./ttl.js";
import { within } from "./within.js";

/**
 * A detached sandbox of a former daemon: its machine is adopted when policy admits its plan, and paused until it does; or, when it is gone or does not answer, the sandbox has
 * failed with `daemon_lost`. Stopped and failed ones come back as they are. The registry knows it afterwards.
 */
export async function bringBack(services: Services, state: StateFile, backend: Backend): Promise<Sandbox> {
  const sandbox = fromStateFile(state, services.home.sandboxes, backend);
  services.registry.add(sandbox);
  await removeUnfinished(sandbox);
  const kept = { background_pids: [], ports: state.ports };
  if (state.state === "cold" || state.state === "restoring") {
    // The former daemon died before the saved memory was left behind: what it started since has not run.
    await reapLeftovers(sandbox.id, state, sandbox.backend);
    const whole = services.snapshots.vouched(sandbox.id);
    sandbox.state = "cold";
    sandbox.unadopted = kept;
    sandbox.clock.stop();
    if (!whole) await lose(services, sandbox, state, "its saved memory is gone");
    else persist(sandbox);
  } else if (state.state !== "stopped" && state.state !== "failed") {
    await removeCold(services, sandbox);
    const problem = await adopt(services, sandbox, state);
    if (problem !== undefined) await lose(services, sandbox, state, problem);
  } else {
    sandbox.unadopted = kept;
    // The former daemon died while it was stopping this one.
    await reapLeftovers(sandbox.id, state, sandbox.backend);
    await removeCold(services, sandbox);
  }
  armTtl(services, sandbox);
  armIdle(services, sandbox);
  return sandbox;
}

/** Saved memory that a former daemon did not come to delete: the machine has gone on, or its disk alone is kept. */
async function removeCold(services: Services, sandbox: Sandbox): Promise<void> {
  services.snapshots.forgetSandbox(sandbox.id);
  await rm(sandbox.files.cold, { recursive: true, force: true });
}

/** Undefined when the machine is ours again, else why it is not. */
async function adopt(services: Services, sandbox: Sandbox, state: StateFile): Promise<string | undefined> {
  if (state.identity === null) return "no machine is recorded";
  let machine: Machine | undefined;
  try {
    const patience = deadline("qmp", state.identity.accel);
    const wasPaused = state.state === "paused";
    const denied = wasPaused ? undefined : await denial(services, sandbox);
    const adopting = sandbox.backend.adopt(state.identity, sandbox.files.directory, { paused: wasPaused });
    machine = await within(adopting, patience, "adopt");
    if (machine === undefined) return "its machine is gone";
    if (denied !== undefined) await machine.pause();
    const paused = wasPaused || denied !== undefined;
    await giveSecrets(services, sandbox, sandbox.plan.secrets, { adopted: true });
    const live = attachMachine(services, sandbox, machine, paused ? "paused" : "adopted", {});
    if (denied !== undefined) {
      sandbox.state = "paused";
      sandbox.logs.event("paused", { by: "policy", rule: denied.rule });
      services.log.warn({ sandbox: sandbox.id, rule: denied.rule }, "paused: policy does not admit it any more");
    }
    if (paused) {
      sandbox.clock.stop();
      sandbox.unadopted = { background_pids: state.background_pids, ports: state.ports };
      if (denied !== undefined) persist(sandbox);
      services.log.info({ sandbox: sandbox.id, pid: machine.identity.pid }, "paused machine adopted");
      return undefined;
    }
    await within(live.session.ready, deadline("hello", machine.identity.accel), "agent-hello");
    // A daemon that died while it captured the machine has left it frozen.
    await live.session.call({ op: "thaw" });
    await keepLimit(sandbox, live);
    await live.egress.announce();
    await shareDirectories(sandbox, live);
    await adoptCommands(services, sandbox, live, state.background_pids);
    await bindAgain(services, sandbox, live, state.ports);
    fault("recover.after-adopt");
    sandbox.logs.event("recovered", { pid: machine.identity.pid });
    services.log.info({ sandbox: sandbox.id, pid: machine.identity.pid }, "machine adopted");
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Why the machine may not go on; undefined when it may. What the backend could not start now, but runs already, may. */
async function denial(services: Services, sandbox: Sandbox): Promise<PolicyDenied | undefined> {
  try {
    await admitAgain(services, sandbox);
    return undefined;
  } catch (error) {
    if (error instanceof PolicyDenied) return error;
    if (error instanceof BackendUnsupported) return undefined;
    const message = `Cannot ask whether the machine may go on: ${(error as Error).message}`;
    return new PolicyDenied({ message, rule: "policy.evaluation" });
  }
}

async function lose(services: Services, sandbox: Sandbox, state: StateFile, problem: string): Promise<void> {
  sandbox.logs.event("failed", { reason: "daemon_lost", detail: problem });
  services.log.warn({ sandbox: sandbox.id, problem }, "machine lost while no daemon ran");
  // The machine's own end may have failed the sandbox already.
  await sandbox.failing;
  if (sandbox.state !== "failed") moveTo(sandbox, "failed", "daemon_lost");
  sandbox.unadopted = null;
  await endMachine(services, sandbox);
  await reapLeftovers(sandbox.id, state, sandbox.backend);
  await removeAllButEvidence(sandbox);
  persist(sandbox);
}
