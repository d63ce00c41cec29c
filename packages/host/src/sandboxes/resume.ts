import { deadline } from "@mvm/protocol";
import { fault } from "../observe/fault.js";
import { adoptCommands } from "../commands/adopt.js";
import { bindAgain } from "../ports/bind-again.js";
import { admitAgain } from "./admit-again.js";
import { changing } from "./changing.js";
import { keepLimit } from "./memory.js";
import { persist } from "./persist.js";
import type { RestartOptions } from "./start.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";
import { shareDirectories } from "./share-directories.js";
import { moveTo, requireMachine, unavailable } from "./state.js";
import { wakeSandbox } from "./wake.js";
import { within } from "./within.js";

/**
 * Lets a paused sandbox run again, or wakes a cold one. Its clock is set right before this resolves. Resuming a running
 * sandbox does nothing.
 * @throws {SandboxUnavailable} it is in another state
 * @throws {PolicyDenied} policy has become stricter since; it stays paused or cold
 * @throws {SnapshotMismatchError | BackendUnsupported} what a cold one was saved as cannot be used; it stays cold
 */
export async function resumeSandbox(services: Services, sandbox: Sandbox, options: RestartOptions): Promise<void> {
  await changing(sandbox, async () => {
    if (sandbox.destroying !== null) throw unavailable(sandbox, "resume");
    if (sandbox.state === "running" && sandbox.stopping === null) return;
    if (sandbox.state === "cold") return await wakeSandbox(services, sandbox, options);
    if (sandbox.state !== "paused") throw unavailable(sandbox, "resume");
    await admitAgain(services, sandbox);
    const live = requireMachine(sandbox, "resume");
    await live.machine.resume();
    requireMachine(sandbox, "resume");
    fault("resume.before-journal");
    try {
      persist(sandbox, { state: "running" });
    } catch (error) {
      await live.machine.pause();
      throw error;
    }
    moveTo(sandbox, "running");
    sandbox.clock.go();
    await within(live.session.refresh(), deadline("resume", live.machine.identity.accel), "agent-resume");
    // A daemon that found it paused could neither tell it of its network nor ask for its commands before.
    const { unadopted } = sandbox;
    if (unadopted === null) return;
    // It may have been stopped in the middle of a capture.
    await live.session.call({ op: "thaw" });
    await keepLimit(sandbox, live);
    await live.egress.announce();
    await shareDirectories(sandbox, live);
    await adoptCommands(services, sandbox, live, unadopted.background_pids);
    await bindAgain(services, sandbox, live, unadopted.ports);
    sandbox.unadopted = null;
  });
}
