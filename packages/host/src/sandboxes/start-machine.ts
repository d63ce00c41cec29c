import { VmNetworkError } from "@mvm/protocol";
import type { Admitted } from "../admission/admit.js";
import type { CapturedState, MachineIdentity, MachineSpec, Progress } from "../backends/backend.js";
import { adoptCommands } from "../commands/adopt.js";
import { imageConfigOf } from "../images/image-config.js";
import { fault } from "../observe/fault.js";
import { attachMachine, readyDeadlineMs } from "./attach-machine.js";
import { endMachine } from "./end-machine.js";
import { defaultMemoryRule, startEstimateMb } from "./host-memory.js";
import { keepLimit } from "./memory.js";
import { persist } from "./persist.js";
import type { Live, Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";
import { shareDirectories } from "./share-directories.js";
import { within } from "./within.js";

export interface StartMachineOptions {
  /** Path of the verified image. */
  readonly imagePath: string;
  readonly env: Readonly<Record<string, string>>;
  readonly keepDisk: boolean;
  /** Go on from a captured machine instead of the template. */
  readonly captured?: CapturedState;
  /** Called before the first instruction of a captured machine runs. */
  readonly beforeRun?: () => void;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly onNotice?: ((message: string) => void) | undefined;
  /** Resolve only when the agent has answered. Without, requests are pipelined and the first of them finds out. */
  readonly waitReady: boolean;
  /** Origin of the boot report's clock: `performance.now()` of the request. */
  readonly began: number;
}

/**
 * Queues, starts and connects a machine for a sandbox whose state is on disk. On failure no machine is left; files and
 * registry are the caller's.
 * @param admitted what policy has said to this start; there is no start without it
 */
export async function startMachine(
  services: Services,
  sandbox: Sandbox,
  admitted: Admitted,
  options: StartMachineOptions,
): Promise<Live> {
  const { plan } = sandbox;
  sandbox.defaults = imageConfigOf(services.home.root, sandbox.image.digest);
  sandbox.planSha256 = admitted.planSha256;
  sandbox.policySha256 = admitted.policySha256;
  const at = (): number => performance.now() - options.began;
  const phases: Record<string, number> = { admitted: at() };
  const meter = services.meters.start(sandbox);
  const estimate = startEstimateMb(plan.memoryMb, defaultMemoryRule);
  const slot = await services.queue.enter(estimate, options.signal).catch((error: unknown) => {
    meter.ended(error);
    throw error;
  });
  phases["queued"] = at();
  try {
    fault("create.before-spawn");
    const backendBegan = at();
    const machine = await sandbox.backend.start(specOf(sandbox, options), {
      signal: options.signal,
      onProgress: (progress) => {
        meter.phase(progress.phase);
        options.onProgress?.(progress);
      },
      ...(options.onNotice && { onNotice: options.onNotice }),
      onSpawned: (identity) => journalSpawn(services, sandbox, identity),
    });
    for (const [phase, ms] of Object.entries(machine.timings)) phases[phase.replace(/_ms$/, "")] = backendBegan + ms;
    phases["started"] = at();
    const live = attachMachine(services, sandbox, machine, machine.start === "cold" ? "boot" : "restore", options.env);
    sandbox.boot = { start: machine.start === "adopted" ? "template" : machine.start, totalMs: at(), phases };
    fault("create.after-start");
    if (options.captured !== undefined) {
      options.beforeRun?.();
      await machine.resume();
    }
    const ready = within(live.session.ready, readyDeadlineMs(machine), "agent-hello").then(() => {
      phases["ready"] = at();
      if (sandbox.boot !== null) sandbox.boot.totalMs = at();
    });
    // The guest still works on its own start: the core is not free before it is ready.
    void ready.then(
      () => meter.ended(),
      (error: unknown) => meter.ended(error),
    );
    void ready.catch(() => undefined).then(() => slot.release());
    options.signal.throwIfAborted();
    // Whoever is given a way out has it from the first command on.
    const given = Promise.all([
      openWayOut(sandbox, live),
      shareDirectories(sandbox, live),
      // What was captured has its limit in its memory.
      options.captured === undefined && sandbox.memoryLimitMb !== null ? keepLimit(sandbox, live) : undefined,
    ]);
    // A guest that never becomes ready is reported as that.
    given.catch(() => undefined);
    if (options.waitReady) await ready;
    if (options.captured !== undefined) await adoptCommands(services, sandbox, live, "all");
    await given;
    options.signal.throwIfAborted();
    return live;
  } catch (error) {
    meter.ended(error);
    slot.release();
    await endMachine(services, sandbox);
    if (sandbox.identity !== null) services.reaper.remove(sandbox.identity);
    throw error;
  }
}

/** @throws {VmNetworkError} the guest cannot take connections */
async function openWayOut(sandbox: Sandbox, live: Live): Promise<void> {
  try {
    await live.egress.announce();
  } catch (cause) {
    throw new VmNetworkError({
      message: `Cannot give the sandbox its network: ${(cause as Error).message}`,
      sandboxId: sandbox.id,
      cause,
    });
  }
}

/** From here on a crash of the daemon leads the next one, or the reaper, to the process. A failure refuses the start. */
function journalSpawn(services: Services, sandbox: Sandbox, identity: MachineIdentity): Promise<void> {
  return new Promise((resolve) => {
    fault("create.after-spawn");
    sandbox.identity = identity;
    services.reaper.add(identity);
    persist(sandbox);
    fault("create.after-identity");
    resolve();
  });
}

function specOf(sandbox: Sandbox, options: StartMachineOptions): MachineSpec {
  const { plan, image } = sandbox;
  return {
    sandboxId: sandbox.id,
    directory: sandbox.files.directory,
    image: { ...image, path: options.imagePath, config: sandbox.defaults },
    cpus: plan.cpu,
    memoryMb: plan.memoryMb,
    diskMb: plan.diskMb,
    // Without hardware isolation a fall back to emulation would break the caller's condition: no choice is left.
    accel: plan.requireHardware ? "kvm" : plan.accel,
    keepDisk: options.keepDisk,
    ...(options.captured && { captured: options.captured }),
  };
}
