import { availableParallelism, totalmem } from "node:os";
import { deadline } from "@mvm/protocol";
import { hostCeilings } from "../admission/ceilings.js";
import { createApi } from "../api/server.js";
import type { Backend } from "../backends/backend.js";
import { OperatorFile } from "../egress/operator-file.js";
import { Names } from "../egress/resolve.js";
import { ServerTrust } from "../egress/server-tls.js";
import { Evidence } from "../evidence/evidence.js";
import { ReceiptStore } from "../evidence/receipts.js";
import { openImages, type ImageAccess } from "../images/image-access.js";
import type { Logger } from "../observe/log.js";
import { Meters } from "../observe/meters.js";
import { Pools } from "../pool/pools.js";
import { type Reaper, startReaper } from "../reaper/reaper.js";
import { systemPolicyDirectory } from "../policy/operator-files.js";
import { PolicyStore } from "../policy/policy-store.js";
import { BackgroundTasks } from "../sandboxes/background-tasks.js";
import { availableMb, defaultMemoryRule, memoryObstacle } from "../sandboxes/host-memory.js";
import { Enforcement } from "../sandboxes/enforce.js";
import { IdempotencyKeys } from "../sandboxes/idempotency.js";
import { StartQueue } from "../sandboxes/queue.js";
import { recoverSandboxes } from "../sandboxes/recover.js";
import { Registry } from "../sandboxes/registry.js";
import { releaseAll } from "../sandboxes/release.js";
import type { Services } from "../sandboxes/services.js";
import { ProtectedValues } from "../secrets/protected-values.js";
import { SecretStore } from "../secrets/secret-store.js";
import { SnapshotStore } from "../snapshots/snapshot-store.js";
import type { HomeLayout } from "../store/layout.js";
import { exitWhenIdle } from "./idle.js";
import { listenOnSocket } from "./socket.js";
import { watchStateRoot } from "./state-root-watch.js";

export interface DaemonOptions {
  readonly home: HomeLayout;
  readonly log: Logger;
  readonly version: string;
  /** What the log is cleaned of. */
  readonly protectedValues?: ProtectedValues;
  readonly backends: (images: ImageAccess, reaper: Reaper) => readonly Backend[];
  readonly images?: ImageAccess;
  /** Where the operator's policy lies. Default: `policy/` of the home and /etc/mvm/policy. */
  readonly policyDirectories?: readonly string[];
  /** Called when the daemon wants to end: asked by a client, idle, or its state root is gone. */
  readonly onStop: (why: string) => void;
  readonly idleMs?: number;
  /** Why the host needs its memory back, or undefined. Default: as the kernel tells. */
  readonly memoryPressure?: () => string | undefined;
}

export interface Daemon {
  readonly services: Services;
  /** Stops serving, destroys attached sandboxes and lets detached ones go. Resolves within the drain deadline. */
  close(): Promise<void>;
}

/** How long a start may wait for its turn. Milliseconds; emulated machines take tens of seconds to make a template. */
const queueDeadlineMs = 300_000;
const maxWaitingStarts = 1_000;

/** Brings the home in order and serves it. The caller holds the home's lock. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { home, log } = options;
  const startedAt = new Date().toISOString();
  const registry = new Registry();
  const meters = new Meters();
  // First of all: the locks and keys of the history, and what a former daemon left open in it.
  const evidence = await Evidence.open(home.root, log);
  const receipts = new ReceiptStore(home.receipts);
  receipts.prune();
  registry.onAdd = (sandbox) => {
    meters.watch(sandbox);
    evidence.watch(sandbox);
  };
  const secrets = new SecretStore(home.secrets, home.secretKeys);
  const protectedValues = options.protectedValues ?? new ProtectedValues();
  const images = options.images ?? openImages(home.root, meters);
  const reaper = startReaper(log, home.root);
  const services: Services = {
    home,
    log,
    backends: options.backends(images, reaper),
    images,
    registry,
    reaper,
    tasks: new BackgroundTasks(log),
    snapshots: new SnapshotStore(home.snapshots, home.snapshotKey),
    meters,
    evidence,
    receipts,
    egress: { operator: new OperatorFile(home.root, log), names: new Names(), trust: new ServerTrust() },
    pools: new Pools(home.root, () => services, options.memoryPressure),
    queue: new StartQueue({
      slots: availableParallelism(),
      deadlineMs: queueDeadlineMs,
      maxWaiting: maxWaitingStarts,
      roomFor: (needMb, reservedMb) =>
        memoryObstacle({ availableMb: availableMb(), needMb, reservedMb }, defaultMemoryRule),
    }),
    secrets,
    protectedValues,
    policy: new PolicyStore({
      directories: options.policyDirectories ?? [home.policy, systemPolicyDirectory],
      host: hostCeilings({ cpus: availableParallelism(), memoryMb: Math.floor(totalmem() / 1024 ** 2) }),
      log,
    }),
  };
  protectStored(services);
  const idempotency = new IdempotencyKeys();
  services.snapshots.recover(home.sandboxes);
  const { recovered } = await recoverSandboxes(services);
  for (const sandbox of recovered) idempotency.restore(sandbox);
  const { version, onStop } = options;
  const api = await createApi({ services, idempotency, version, startedAt, stop: () => onStop("asked") }, log);
  const watch = watchStateRoot(services, onStop);
  const socket = await listenOnSocket(api.server, home.socket, log, () => watch.isOurs());
  const enforcement = new Enforcement(services);
  const stopIdle = exitWhenIdle(registry, () => onStop("idle"), options.idleMs);
  await services.pools.recover();
  log.info({ version, sandboxes: registry.size }, "serving");
  // Whoever started the daemon for a create finds the engine loaded, or on its way; calls that start nothing did not wait for it.
  setImmediate(() => services.tasks.run("policy", () => services.policy.state()));
  return {
    services,
    async close() {
      stopIdle();
      watch.close();
      enforcement.close();
      socket.close();
      services.tasks.run("pools", () => services.pools.close());
      await releaseAll(services, deadline("drain") - 500);
      api.server.closeAllConnections();
      await evidence.close();
      reaper.close();
    },
  };
}

/** Before anything is said that could hold a value. A store that cannot be read keeps no sandbox from being stopped. */
function protectStored({ secrets, protectedValues, log }: Services): void {
  try {
    const unreadable = protectedValues.addStored(secrets);
    if (unreadable.length > 0) log.error({ secrets: unreadable }, "secrets that cannot be read");
  } catch (error) {
    log.error({ err: (error as Error).message }, "the secret store cannot be read");
  }
}
