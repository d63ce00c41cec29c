import { mkdirSync } from "node:fs";
import { isSandboxError, newId, toSandboxError, type EndReason, type SandboxUnavailable } from "@mvm/protocol";
import type { Admitted } from "../admission/admit.js";
import type { CapturedState, Progress } from "../backends/backend.js";
import { fault } from "../observe/fault.js";
import { giveSpare, wakeSpare } from "../pool/spare.js";
import { sandboxLayout } from "../store/layout.js";
import { writeFileAtomic } from "../store/atomic.js";
import { endMachine } from "./end-machine.js";
import { expiryAfter } from "./expiry.js";
import { failSandbox } from "./fail.js";
import { giveSecrets } from "./give-secrets.js";
import { armIdle } from "./idle.js";
import { persist } from "./persist.js";
import { removeDirectory } from "./remove-files.js";
import { newSandbox, type Sandbox } from "./sandbox.js";
import { outliveDaemon } from "./outlive.js";
import type { Services } from "./services.js";
import { startMachine } from "./start-machine.js";
import { moveTo } from "./state.js";
import { armTtl } from "./ttl.js";

export interface CreateOptions {
  /** Aborts with the reason to report when the caller goes away. */
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  readonly onNotice?: (message: string) => void;
  /** See StartMachineOptions. */
  readonly waitReady: boolean;
  readonly idempotency?: Sandbox["idempotency"];
  /** Go on from a captured machine instead of the image's template. */
  readonly captured?: CapturedState;
  /** What its programs hold instead of secrets already, by variable. */
  readonly placeholders?: Readonly<Record<string, string>>;
  /** The limit of memory that a captured machine has; null for none. */
  readonly memoryLimitMb?: number | null;
}

/**
 * Creates a sandbox from an admitted plan. It is wholly there when this resolves, and wholly gone when it rejects: no
 * machine, no files, its name free. Takes a machine that waits in the pool where there is one; one that turns out dead costs
 * nothing but time.
 */
export async function createSandbox(services: Services, request: Admitted, options: CreateOptions): Promise<Sandbox> {
  const began = performance.now();
  const image = await services.images.ready(request.plan.image, options);
  options.signal.throwIfAborted();
  const { name, digest } = image.record;
  const admitted = request.settle(digest, services.registry.size);
  const { plan, backend } = admitted;
  const idempotency = options.idempotency ?? null;
  const spare = options.captured === undefined ? services.pools.claim(plan, digest) : undefined;
  if (spare !== undefined) {
    try {
      giveSpare(spare, admitted, idempotency);
      return await bringUp(services, spare, options, () => wakeSpare(spare, began));
    } catch (error) {
      options.signal.throwIfAborted();
      if (isSandboxError(error) && error.code === "NAME_TAKEN") throw error;
      services.log.warn({ sandbox: spare.id, err: (error as Error).message }, "machine of the pool not usable");
    }
  }
  const id = newId("sbx");
  const files = sandboxLayout(services.home.sandboxes, id);
  const { planSha256, policySha256 } = admitted;
  const sandbox = newSandbox({
    ...{ id, plan, backend, planSha256, policySha256, files, idempotency },
    image: { name, digest },
  });
  const { waitReady, onProgress, onNotice, captured } = options;
  return await bringUp(services, sandbox, options, async (signal) => {
    await startMachine(services, sandbox, admitted, {
      ...{ imagePath: image.path, env: plan.env, keepDisk: false, signal, onProgress, onNotice, waitReady, began },
      ...(captured && { captured }),
    });
  });
}

/** Takes the name, journals, gets the machine, and makes it a running sandbox; or leaves nothing. */
async function bringUp(
  services: Services,
  sandbox: Sandbox,
  options: CreateOptions,
  start: (signal: AbortSignal) => Promise<void>,
): Promise<Sandbox> {
  const settle = beginStarting(sandbox, options.signal);
  try {
    services.registry.add(sandbox);
    fault("create.before-journal");
    mkdirSync(sandbox.files.directory, { mode: 0o700, recursive: true });
    sandbox.placeholders = options.placeholders ?? {};
    sandbox.memoryLimitMb = options.memoryLimitMb ?? null;
    await giveSecrets(services, sandbox, sandbox.plan.secrets);
    persist(sandbox);
    fault("create.after-journal");
    await start(settle.signal);
    fault("create.after-ready");
    becomeRunning(services, sandbox);
    fault("create.after-running");
    return sandbox;
  } catch (error) {
    await endMachine(services, sandbox);
    await discard(services, sandbox, error);
    // Whatever there was is gone again, so that trying again is safe.
    const undone = { dispatched: false, operation: "sandboxes.create", sandboxId: sandbox.id };
    throw settle.signal.aborted ? settle.signal.reason : toSandboxError(error, undone);
  } finally {
    settle.done();
    failIfLost(services, sandbox);
  }
}

/** A machine that died between its start and the end of this call, or while it woke, fails its sandbox now. */
export function failIfLost(services: Services, sandbox: Sandbox): void {
  const { lost } = sandbox;
  sandbox.lost = null;
  if (lost !== null && (sandbox.state === "running" || sandbox.state === "restoring"))
    void failSandbox(services, sandbox, lost.reason, lost.detail);
}

/** Marks a start in progress, which `destroy` and the caller's signal can cancel. */
export function beginStarting(sandbox: Sandbox, signal: AbortSignal): { signal: AbortSignal; done: () => void } {
  const abort = new AbortController();
  const forward = (): void => abort.abort(signal.reason);
  signal.addEventListener("abort", forward, { once: true });
  let resolve: () => void = () => undefined;
  sandbox.starting = { abort, settled: new Promise<void>((settled) => (resolve = settled)) };
  return {
    signal: abort.signal,
    done: () => {
      signal.removeEventListener("abort", forward);
      sandbox.starting = null;
      resolve();
    },
  };
}

function becomeRunning(services: Services, sandbox: Sandbox): void {
  const { plan, detached } = sandbox;
  moveTo(sandbox, "running");
  sandbox.readyAt = new Date().toISOString();
  if (plan.ttlSeconds !== null) sandbox.expiry = expiryAfter(plan.ttlSeconds);
  if (detached) {
    if (Object.keys(plan.env).length > 0) writeFileAtomic(sandbox.files.env, JSON.stringify(plan.env));
    // In this order: a daemon that dies in between leaves a machine without a record, which the next one ends, and never the
    // record of a machine that the reaper has ended.
    outliveDaemon(services, sandbox);
    persist(sandbox);
  } else if (sandbox.expiry !== null) {
    persist(sandbox);
  }
  armTtl(services, sandbox);
  armIdle(services, sandbox);
  services.log.info(
    { sandbox: sandbox.id, accel: sandbox.identity?.accel, start: sandbox.boot?.start, ms: sandbox.boot?.totalMs },
    "sandbox running",
  );
}

async function discard(services: Services, sandbox: Sandbox, error: unknown): Promise<void> {
  const { code, message } = error as { code?: string; message?: string };
  services.log.warn({ sandbox: sandbox.id, code, err: isSandboxError(error) ? message : undefined }, "create failed");
  const reason: EndReason =
    ((error as Partial<SandboxUnavailable>).reason as EndReason | null | undefined) ?? "crashed";
  if (sandbox.state !== "failed") moveTo(sandbox, reason === "crashed" ? "failed" : "destroyed", reason);
  try {
    await removeDirectory(sandbox);
  } catch (left) {
    services.log.error({ sandbox: sandbox.id, err: (left as Error).message }, "files of a failed create are left");
  }
  services.registry.forget(sandbox);
}
