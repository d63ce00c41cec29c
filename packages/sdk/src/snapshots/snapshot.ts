import { type SnapshotInfo, type SnapshotStreamEvent, type SnapshotVerdict, validateRef } from "@mvm/protocol";
import { DaemonClient, segment } from "../client/index.js";
import type { CreateProgress } from "../sandbox/create.js";
import { onlyLive } from "../record/mode.js";
import type { ClientOptions } from "../sandbox/options.js";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { defined } from "../wire/options.js";
import { exportArchive, importSnapshot, type ImportOptions } from "./archive.js";
import { nameOf } from "./life.js";
import { type PruneOptions, pruneSnapshots } from "./prune.js";

/** Options for `sandbox.snapshot`. */
export interface SnapshotOptions extends CallOptions {
  /** Unique among the snapshots. @default none: the id is the only handle */
  readonly name?: string | undefined;
  readonly onProgress?: ((event: CreateProgress) => void) | undefined;
}

/** A saved machine: memory, devices and disk of one instant, sealed. As sensitive as whatever ran in it. */
export class Snapshot {
  readonly id: string;
  readonly name: string | null;
  /** What is known about it; shapes as in docs/api.md. */
  readonly info: SnapshotInfo;
  readonly #client: DaemonClient;

  private constructor(client: DaemonClient, info: SnapshotInfo) {
    this.id = info.id;
    this.name = info.name;
    this.info = info;
    this.#client = client;
  }

  /** @internal */
  static async save(target: Target, options: SnapshotOptions = {}): Promise<Snapshot> {
    const json = defined({ name: nameOf(options.name) });
    let saving = true;
    const call = callOf(target, { method: "POST", path: "/snapshots", operation: "snapshots.save", json }, options);
    const stream = await target.client.stream<SnapshotStreamEvent>({ ...call, patient: () => saving });
    try {
      for (let event = await stream.next(); event !== undefined; event = await stream.next()) {
        if (event.event === "saved") return new Snapshot(target.client, event.snapshot);
        if (event.event === "progress" || event.event === "notice") options.onProgress?.(event);
      }
      throw stream.cutShort("saved");
    } finally {
      saving = false;
      stream.close();
    }
  }

  /** The snapshots of this state root, oldest first. */
  static async list(options?: ClientOptions): Promise<Snapshot[]> {
    onlyLive("snapshots.list");
    const client = new DaemonClient(options);
    const call = { method: "GET", path: "/snapshots", operation: "snapshots.list" } as const;
    const { snapshots } = await client.json<{ snapshots: SnapshotInfo[] }>(call);
    return snapshots.map((info) => new Snapshot(client, info));
  }

  /** One by name or id. Throws `SnapshotError` when there is none, `SnapshotMismatchError` when its seal does not hold. */
  static async get(ref: string, options?: ClientOptions): Promise<Snapshot> {
    onlyLive("snapshots.get");
    const client = new DaemonClient(options);
    const path = `/snapshots/${segment(validateRef(ref))}`;
    return new Snapshot(client, await client.json<SnapshotInfo>({ method: "GET", path, operation: "snapshots.get" }));
  }

  /** Removes snapshots beyond the given bounds, oldest first; returns what was removed. Nothing is removed without a bound. */
  static async prune(bounds: PruneOptions, options?: ClientOptions): Promise<SnapshotInfo[]> {
    onlyLive("snapshots.prune");
    return pruneSnapshots(new DaemonClient(options), bounds);
  }

  /**
   * Reads a snapshot from an archive that `export` wrote, here or on a host whose key is given. Signature and host are compared
   * before anything else is read; an archive that is refused leaves nothing. Throws `SnapshotMismatchError` for it.
   */
  static async import(file: string, options: ImportOptions & ClientOptions = {}): Promise<Snapshot> {
    onlyLive("snapshots.import");
    const { name, key, ...rest } = options;
    const client = new DaemonClient(rest);
    return new Snapshot(client, (await importSnapshot(client, file, { name, key })).snapshot);
  }

  /**
   * Writes it to an archive for another host: signed, as sensitive as the snapshot, there whole or not at all. Resolves with
   * the archive's digest.
   */
  async export(file: string): Promise<string> {
    return await exportArchive(this.#client, "snapshots", this.id, file);
  }

  /** Reads all of it and compares it with its seal. Throws `SnapshotMismatchError`. */
  async verify(): Promise<SnapshotVerdict> {
    const path = `/snapshots/${segment(this.id)}/verify`;
    const call = { method: "POST", path, operation: "snapshots.verify", json: {}, patient: () => true } as const;
    return await this.#client.json<SnapshotVerdict>(call);
  }

  /** Deletes it. Machines that were restored from it go on. */
  async remove(): Promise<void> {
    const path = `/snapshots/${segment(this.id)}`;
    await this.#client.json({ method: "DELETE", path, operation: "snapshots.remove" });
  }
}
