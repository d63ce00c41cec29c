import { mkdirSync } from "node:fs";
import { deadline, limits, newId } from "@mvm/protocol";
import type { Admitted } from "../admission/admit.js";
import type { AgentSession } from "../agent/types.js";
import type { Accelerator } from "../backends/backend.js";
import { warmUpOf } from "../daemon/warm-up.js";
import { resumeFieldsOf } from "../sandboxes/attach-machine.js";
import { persist } from "../sandboxes/persist.js";
import { removeDirectory } from "../sandboxes/remove-files.js";
import { newSandbox, type Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { shareDirectories } from "../sandboxes/share-directories.js";
import { startMachine } from "../sandboxes/start-machine.js";
import { unavailable } from "../sandboxes/state.js";
import { within } from "../sandboxes/within.js";
import { sandboxLayout } from "../store/layout.js";

/**
 * Starts a machine nobody has asked for yet, runs the programs that first commands need, so that they are translated already,
 * and pauses it. It is a sandbox that is still being created: a daemon that dies now leaves nothing of it.
 */
export async function makeSpare(
  services: Services,
  request: Admitted,
  signal: AbortSignal,
  onBegun: (spare: Sandbox) => void,
): Promise<Sandbox> {
  const began = performance.now();
  const image = await services.images.ready(request.plan.image, { signal });
  const { name, digest } = image.record;
  const admitted = request.settle(digest, 0);
  const { plan, backend } = admitted;
  const id = newId("sbx");
  const files = sandboxLayout(services.home.sandboxes, id);
  const sandbox = newSandbox({ id, plan, backend, image: { name, digest }, files, idempotency: null });
  onBegun(sandbox);
  try {
    mkdirSync(files.directory, { mode: 0o700, recursive: true });
    persist(sandbox);
    const start = { imagePath: image.path, env: {}, keepDisk: false, signal, waitReady: true, began };
    const { machine, session } = await startMachine(services, sandbox, admitted, start);
    for (const argv of [["true"], ["true"], ...warmUpOf(name)]) await exercise(session, argv, machine.identity.accel);
    await machine.pause();
    sandbox.clock.stop();
    return sandbox;
  } catch (error) {
    await sandbox.live?.machine.kill();
    await removeDirectory(sandbox);
    throw error;
  }
}

/** Gives a waiting machine to a sandbox: its plan and everything a clone differs by. Nothing runs yet. */
export function giveSpare(sandbox: Sandbox, admitted: Admitted, idempotency: Sandbox["idempotency"]): void {
  const { plan, planSha256, policySha256 } = admitted;
  Object.assign(sandbox, { plan, planSha256, policySha256 });
  sandbox.idempotency = idempotency;
  sandbox.createdAt = new Date().toISOString();
  sandbox.detached = plan.detach;
  sandbox.owner = plan.owner;
  sandbox.network = plan.network;
}

/**
 * Lets a claimed machine run as the sandbox it now is. Its answer is its health check.
 * @throws {Timeout | SandboxUnavailable} it does not answer: nothing of the caller's has run in it
 */
export async function wakeSpare(sandbox: Sandbox, began: number): Promise<void> {
  const { live, plan } = sandbox;
  if (live === null) throw unavailable(sandbox, "claim");
  const claimed = performance.now() - began;
  const { machine, session, egress } = live;
  sandbox.clock.go();
  const patience = deadline("poolClaim", machine.identity.accel);
  await within(
    // All of it is on its way at once; the guest takes it in this order.
    Promise.all([
      machine.resume(),
      session.refresh(resumeFieldsOf(sandbox, plan.env)),
      egress.setPolicy(sandbox.network),
    ]),
    patience,
    "pool-claim",
  );
  await shareDirectories(sandbox, live);
  const totalMs = performance.now() - began;
  sandbox.boot = { start: "pool", totalMs, phases: { claimed, ready: totalMs } };
}

/** Runs a program for what it leaves behind; whether it succeeds is the image's business. */
async function exercise(session: AgentSession, argv: readonly string[], accel: Accelerator): Promise<void> {
  const timeout = deadline("fileOpIdle", accel);
  const rest = { env: {}, cwd: "/home/user", user: "user", stdin: "none", grace_ms: limits.killGraceMs, pty: null };
  await session.call({ op: "exec", argv: [...argv], timeout_ms: timeout, ...rest }, { deadlineMs: 2 * timeout });
}
