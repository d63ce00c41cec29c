import { type CodeLanguage, isSandboxError, type LogLine, type NetworkPolicyDocument } from "@mvm/protocol";
import type { DaemonClient } from "../client/index.js";
import { CodeContexts } from "../code/contexts.js";
import type { CodeResult } from "../code/result.js";
import { runCode, type RunCodeOptions } from "../code/run-code.js";
import { Commands } from "../commands/commands.js";
import { Files } from "../files/files.js";
import { Packages } from "../packages/packages.js";
import { Ports } from "../ports/ports.js";
import { type ForkOptions, forkSandbox } from "../snapshots/fork.js";
import { type RestoreOptions, restoreSnapshot } from "../snapshots/restore.js";
import { Snapshot, type SnapshotOptions } from "../snapshots/snapshot.js";
import type { NetworkPolicy } from "../network/policy.js";
import { recording } from "../record/mode.js";
import type { RecordedSandbox } from "../record/recorded-sandbox.js";
import type { Recording } from "../record/recording.js";
import { unread } from "../record/unread.js";
import { type ConnectOptions, findSandbox } from "./connect.js";
import { type Created, createSandbox } from "./create.js";
import { disposeAndWait, disposeInBackground, endWithHandle } from "./dispose.js";
import { sandboxInfo, type SandboxInfo } from "./info.js";
import type { Lease } from "./lease.js";
import {
  change,
  destroy,
  detach,
  type DetachOptions,
  type DestroyResult,
  resize,
  type ResizeOptions,
  setNetwork,
  setTtl,
  status,
} from "./lifecycle.js";
import { type ListOptions, listSandboxes } from "./list.js";
import { type LogOptions, logs } from "./logs.js";
import { metrics, type SandboxMetrics } from "./metrics.js";
import type { CreateOptions } from "./options.js";
import type { CallOptions, Target } from "./target.js";

/**
 * A microVM. One that was created here and is not detached belongs to this handle: it ends with `using`, with `destroy`,
 * or with this process. Detached and connected ones are only let go.
 */
export class Sandbox {
  readonly commands: Commands;
  /** Interpreters that keep their state: see {@link Sandbox.runCode}. */
  readonly contexts: CodeContexts;
  readonly files: Files;
  readonly packages: Packages;
  readonly ports: Ports;
  /** The daemon it lives at. */
  readonly client: DaemonClient;
  readonly #target: Target;
  readonly #lease: Lease | null;
  /** What is done with it, where `MVM_SDK_MODE=record` makes a workload of it; null when it is a real one. */
  readonly #recording: Recording | null;
  #info: SandboxInfo;
  #destroyed = false;

  private constructor(client: DaemonClient, info: SandboxInfo, lease: Lease | null, recorded?: RecordedSandbox) {
    this.client = client;
    this.#info = info;
    this.#lease = lease;
    this.#recording = recorded?.recording ?? null;
    this.#target = { client, id: recorded === undefined ? info.id : "recorded" };
    this.commands = recorded?.commands ?? new Commands(this.#target);
    this.contexts = new CodeContexts(this.#target);
    this.files = recorded?.files ?? new Files(this.#target);
    this.packages = new Packages(this.#target);
    this.ports = recorded?.ports ?? new Ports(this.#target);
    if (lease !== null) endWithHandle(this, info.id, lease);
  }

  static #of({ client, event, lease }: Created): Sandbox {
    return new Sandbox(client, sandboxInfo(event.sandbox), lease);
  }

  /** Makes a sandbox and waits until it runs. Throws `PolicyDenied`, `VmCapacityError`, `InvalidArgumentError` and others. */
  static create(image: string, options?: CreateOptions): Promise<Sandbox>;
  static create(options?: CreateOptions): Promise<Sandbox>;
  static async create(first: string | CreateOptions = {}, second: CreateOptions = {}): Promise<Sandbox> {
    const options = typeof first === "string" ? { ...second, image: first } : first;
    if (!recording()) return Sandbox.#of(await createSandbox(options));
    const { recordSandbox } = await import("../record/recorded-sandbox.js");
    const recorded = recordSandbox(options);
    return new Sandbox(recorded.client, recorded.info, null, recorded);
  }

  /** Makes a sandbox that goes on where the snapshot was taken. Throws `SnapshotMismatchError`, `BackendUnsupported` and others. */
  static async restore(snapshot: string | Snapshot, options: RestoreOptions = {}): Promise<Sandbox> {
    return Sandbox.#of(await restoreSnapshot(typeof snapshot === "string" ? snapshot : snapshot.id, options));
  }

  /** A handle to a sandbox that exists, by name or id. Throws `SandboxUnavailable` when there is none. */
  static async connect(nameOrId: string, options?: ConnectOptions): Promise<Sandbox> {
    const { client, info } = await findSandbox(nameOrId, options);
    return new Sandbox(client, info, null);
  }

  /** The sandboxes of this state root. */
  static list(options?: ListOptions): Promise<SandboxInfo[]> {
    return listSandboxes(options);
  }

  /** The sandbox of that name, made when there is none. Any number of callers at once get the same one. */
  static async getOrCreate(name: string, options: Omit<CreateOptions, "name"> = {}): Promise<Sandbox> {
    const { home, autoStart, requestTimeoutMs, signal } = options;
    for (;;) {
      try {
        return await Sandbox.connect(name, { home, autoStart, requestTimeoutMs, signal });
      } catch (error) {
        if (!isSandboxError(error) || error.code !== "SANDBOX_NOT_FOUND") throw error;
      }
      try {
        return await Sandbox.create({ ...options, name });
      } catch (error) {
        if (!isSandboxError(error) || error.code !== "NAME_TAKEN") throw error;
      }
    }
  }

  get id(): string {
    return this.#info.id;
  }

  /** Its name; null when it has none. */
  get name(): string | null {
    return this.#info.name;
  }

  /** What was known when the handle was made or last asked: see {@link Sandbox.status}. */
  get info(): SandboxInfo {
    return this.#info;
  }

  /** The sandbox as it is now. */
  async status(options?: CallOptions): Promise<SandboxInfo> {
    return (this.#info = await status(this.#target, options));
  }

  /** Runs code in a context that keeps its state, and returns its result whatever came of it. */
  runCode(language: CodeLanguage, code: string, options?: RunCodeOptions): Promise<CodeResult> {
    return runCode(this.#target, language, code, options);
  }

  /** Its numbers now. */
  metrics(options?: CallOptions): Promise<SandboxMetrics> {
    return metrics(this.#target, options);
  }

  /** Its log, bounded and redacted: iterate over it. */
  logs(options?: LogOptions): AsyncGenerator<LogLine, void, undefined> {
    return logs(this.#target, options);
  }

  /** Sets the time to live in seconds from now. */
  async setTtl(ttlSeconds: number | null, options?: CallOptions): Promise<SandboxInfo> {
    return (this.#info = await setTtl(this.#target, ttlSeconds, options));
  }

  /** Replaces its network policy while it runs; what the new one does not allow is cut within a second. */
  async setNetwork(policy: NetworkPolicy | NetworkPolicyDocument, options?: CallOptions): Promise<SandboxInfo> {
    return (this.#info = await setNetwork(this.#target, policy, options));
  }

  /**
   * Sets what its programs may use together while it runs, up to the memory of its machine; nothing is killed for it. Throws
   * `BalloonTransientError` where they hold more than that, `VmConfigError` beyond the machine's memory.
   */
  async resize(options: ResizeOptions): Promise<SandboxInfo> {
    return (this.#info = await resize(this.#target, options));
  }

  /** Ends process and memory and keeps the disk. */
  async stop(options?: CallOptions): Promise<SandboxInfo> {
    return this.#endRecording() ?? (this.#info = await change(this.#target, "stop", options));
  }

  /** Starts a stopped sandbox again on its kept disk. */
  async start(options?: CallOptions): Promise<SandboxInfo> {
    return (this.#info = await change(this.#target, "start", options));
  }

  /** Stops its vCPUs; memory stays in the host's. Commands stand still, their time limits too. */
  async pause(options?: CallOptions): Promise<SandboxInfo> {
    return (this.#info = await change(this.#target, "pause", options));
  }

  /** Lets a paused sandbox run again, or wakes a cold one where it was. */
  async resume(options?: CallOptions): Promise<SandboxInfo> {
    return (this.#info = await change(this.#target, "resume", options));
  }

  /**
   * Puts memory and devices on the host's storage, sealed, and ends the process. Calls that wait for commands end with
   * `OutcomeUnknownError`; the commands go on when it wakes.
   */
  async cold(options?: CallOptions): Promise<SandboxInfo> {
    return (this.#info = await change(this.#target, "cold", options));
  }

  /** Lets it outlive this process: from now on its time to live ends it. */
  async detach(options: DetachOptions): Promise<SandboxInfo> {
    this.#info = await detach(this.#target, options);
    this.#giveUp()?.close();
    return this.#info;
  }

  /** Saves memory, devices and disk of one instant; the sandbox goes on. */
  snapshot(options?: SnapshotOptions): Promise<Snapshot> {
    return Snapshot.save(this.#target, options);
  }

  /** Makes sandboxes that go on where this one is now, each with a lease of its own unless detached. All or none. */
  async fork(options: ForkOptions = {}): Promise<Sandbox[]> {
    return (await forkSandbox(this.#target, options)).map((created) => Sandbox.#of(created));
  }

  /** Deletes everything of the sandbox; says what the deletion guarantees. Calling it again is no error. */
  async destroy(options?: CallOptions): Promise<DestroyResult> {
    if (this.#endRecording() !== null) return unread("the result of destroy");
    const result = await destroy(this.#target, options);
    this.#destroyed = true;
    this.#lease?.close();
    return result;
  }

  /** Same as {@link Sandbox.destroy}. */
  kill(options?: CallOptions): Promise<DestroyResult> {
    return this.destroy(options);
  }

  /** For `await using`: destroys what belongs to this handle. */
  async [Symbol.asyncDispose](): Promise<void> {
    const lease = this.#giveUp();
    if (lease !== null) await disposeAndWait(this.#target, lease);
  }

  /** For `using`: asks to destroy what belongs to this handle, without waiting. */
  [Symbol.dispose](): void {
    const lease = this.#giveUp();
    if (lease !== null) disposeInBackground(this.#target, lease);
  }

  /** Ends a recording: what is left of a workload's sandbox is up to who runs it. Null when this is a real one. */
  #endRecording(): SandboxInfo | null {
    this.#recording?.end("the sandbox was ended");
    return this.#recording === null ? null : this.#info;
  }

  /** The lease, for the one caller that ends it. */
  #giveUp(): Lease | null {
    this.#endRecording();
    if (this.#destroyed) return null;
    this.#destroyed = true;
    return this.#lease;
  }
}
