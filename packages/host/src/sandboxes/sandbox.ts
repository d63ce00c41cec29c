import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { emptyConfig, type ImageConfig } from "@mvm/images";
import type { EndReason, NetworkPolicyDocument, SandboxState } from "@mvm/protocol";
import type { Plan } from "../admission/plan.js";
import type { AgentSession } from "../agent/types.js";
import type { Backend, Machine, MachineIdentity } from "../backends/backend.js";
import type { Egress } from "../egress/egress.js";
import { ProcessTable } from "../commands/process-table.js";
import { SandboxLogs } from "../logs/sandbox-logs.js";
import { PortTable } from "../ports/table.js";
import type { SandboxSecrets } from "../secrets/sandbox-secrets.js";
import type { SandboxLayout } from "../store/layout.js";
import type { StateFile } from "../store/state-file.js";
import type { BootRecord } from "./boot-report.js";
import type { Expiry } from "./expiry.js";
import { MachineClock } from "./machine-clock.js";

/** What a sandbox tells the streams that watch it. */
export interface SandboxEvents {
  /** It ends in a minute. */
  expiring: [expiresAt: string];
  /** It no longer ends with its client. */
  detached: [];
  /** It failed or is destroyed. */
  ended: [state: SandboxState, reason: EndReason | null];
}

/** The machine of a running sandbox and the session with its agent. */
export interface Live {
  readonly machine: Machine;
  readonly session: AgentSession;
  readonly egress: Egress;
}

/** A start in progress. */
export interface Starting {
  readonly abort: AbortController;
  /** Resolves when the start has succeeded or cleaned up after itself; never rejects. */
  readonly settled: Promise<void>;
}

/** One sandbox as the daemon holds it. The verbs are functions beside this file; each has one file. */
export interface Sandbox {
  readonly id: string;
  /** What it is made of. Only a machine of the pool changes its plan: when it becomes somebody's sandbox. */
  plan: Plan;
  readonly backend: Backend;
  readonly image: { readonly name: string; readonly digest: string };
  readonly files: SandboxLayout;
  /** How programs of its image want to be run; set when it gets its machine. */
  defaults: ImageConfig;
  /** 32 hex digits; the same for the whole life of the sandbox. */
  readonly machineId: string;
  /** sha256 in hex of the plan its latest machine was admitted as; null for one of an older daemon. */
  planSha256: string | null;
  /** sha256 in hex of the policy that admitted it. */
  policySha256: string | null;
  createdAt: string;
  readonly logs: SandboxLogs;
  readonly events: EventEmitter<SandboxEvents>;
  readonly processes: ProcessTable;
  readonly ports: PortTable;
  idempotency: { readonly key: string; readonly body_sha256: string } | null;
  state: SandboxState;
  reason: EndReason | null;
  /** More about the reason than its word says, for those who ask for the sandbox later. */
  endDetail: string | null;
  detached: boolean;
  owner: string | null;
  /** What may leave it now; the plan holds what it was created with. */
  network: NetworkPolicyDocument;
  /** What the guest holds instead of secrets, by variable. Says nothing to anybody else. */
  placeholders: Readonly<Record<string, string>>;
  /** Of a sandbox with a machine that was given secrets. */
  secrets: SandboxSecrets | null;
  /** MiB its commands may use together; null for all the machine has for them. */
  memoryLimitMb: number | null;
  readyAt: string | null;
  endedAt: string | null;
  expiry: Expiry | null;
  /** Of the last machine, also when it is gone. */
  identity: MachineIdentity | null;
  confinement: readonly string[];
  boot: BootRecord | null;
  live: Live | null;
  starting: Starting | null;
  stopping: Promise<void> | null;
  failing: Promise<void> | null;
  destroying: Promise<void> | null;
  /** A change of the machine as a whole in progress; never rejects. */
  changing: Promise<void> | null;
  /** What is taken over when the sandbox runs again: of a machine that was found paused, or of one that is gone. */
  unadopted: Pick<StateFile, "background_pids" | "ports"> | null;
  /** Time the machine has run. */
  readonly clock: MachineClock;
  /** The machine was lost during a start; the start's end looks at it. */
  lost: { readonly reason: EndReason; readonly detail: string } | null;
  /** Open connections the sandbox lives for. */
  leases: number;
  timers: { cancel(): void }[];
  /** `performance.now()` of the last call that reached the guest. */
  usedAt: number;
  idleTimer: { cancel(): void } | null;
}

type Given = Pick<Sandbox, "id" | "plan" | "backend" | "image" | "files" | "idempotency"> &
  Partial<Pick<Sandbox, "planSha256" | "policySha256">>;

export function newSandbox(given: Given, restored: Partial<Sandbox> = {}): Sandbox {
  const events = new EventEmitter<SandboxEvents>();
  events.setMaxListeners(0);
  return {
    planSha256: null,
    policySha256: null,
    machineId: randomBytes(16).toString("hex"),
    createdAt: new Date().toISOString(),
    logs: new SandboxLogs(given.files),
    events,
    processes: new ProcessTable(),
    ports: new PortTable(),
    state: "creating",
    reason: null,
    endDetail: null,
    detached: given.plan.detach,
    owner: given.plan.owner,
    network: given.plan.network,
    placeholders: {},
    secrets: null,
    memoryLimitMb: null,
    readyAt: null,
    endedAt: null,
    expiry: null,
    identity: null,
    confinement: [],
    boot: null,
    live: null,
    defaults: emptyConfig,
    starting: null,
    stopping: null,
    failing: null,
    destroying: null,
    changing: null,
    unadopted: null,
    clock: new MachineClock(),
    lost: null,
    leases: 0,
    timers: [],
    usedAt: performance.now(),
    idleTimer: null,
    ...given,
    ...restored,
  };
}
