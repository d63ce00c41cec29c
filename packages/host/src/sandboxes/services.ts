import type { Backend } from "../backends/backend.js";
import type { EgressHost } from "../egress/egress.js";
import type { Evidence } from "../evidence/evidence.js";
import type { ReceiptStore } from "../evidence/receipts.js";
import type { ImageAccess } from "../images/image-access.js";
import type { Logger } from "../observe/log.js";
import type { Meters } from "../observe/meters.js";
import type { PolicyStore } from "../policy/policy-store.js";
import type { Reaper } from "../reaper/reaper.js";
import type { Pools } from "../pool/pools.js";
import type { ProtectedValues } from "../secrets/protected-values.js";
import type { SecretStore } from "../secrets/secret-store.js";
import type { SnapshotStore } from "../snapshots/snapshot-store.js";
import type { HomeLayout } from "../store/layout.js";
import type { BackgroundTasks } from "./background-tasks.js";
import type { StartQueue } from "./queue.js";
import type { Registry } from "./registry.js";

/** What the verbs need of the daemon. Made once, at start. */
export interface Services {
  readonly home: HomeLayout;
  readonly log: Logger;
  readonly backends: readonly Backend[];
  readonly images: ImageAccess;
  readonly registry: Registry;
  readonly queue: StartQueue;
  readonly reaper: Reaper;
  readonly policy: PolicyStore;
  readonly secrets: SecretStore;
  readonly protectedValues: ProtectedValues;
  readonly tasks: BackgroundTasks;
  readonly snapshots: SnapshotStore;
  readonly pools: Pools;
  readonly meters: Meters;
  readonly evidence: Evidence;
  readonly receipts: ReceiptStore;
  readonly egress: EgressHost;
}
