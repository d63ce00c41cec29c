import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  InvalidArgumentError,
  isId,
  SnapshotError,
  SnapshotMismatchError,
  type SnapshotInfo,
  type SnapshotPart,
} from "@mvm/protocol";
import type { Backend } from "../backends/backend.js";
import { fault } from "../observe/fault.js";
import { syncDirectory, temporarySuffix } from "../store/atomic.js";
import { Holds } from "./holds.js";
import { infoOfManifest } from "./info.js";
import { Ledger } from "./ledger.js";
import { readManifest, writeManifest, type Manifest, type UnsealedManifest } from "./manifest.js";
import { openSealer, type Sealer } from "./seal.js";
import { remember, verifyParts, type VerifiedFiles } from "./verify.js";

const makingPrefix = ".making-";
const scratchPrefix = ".fork-";

/** A captured machine whose manifest is believed; its parts are verified separately. */
export interface Captured {
  readonly directory: string;
  readonly manifest: Manifest;
  /** How messages call it. */
  readonly what: string;
}

/**
 * Captured machines of one state root: snapshots below `snapshots/`, and what vouches for the cold sandboxes. A capture is valid
 * from the moment the ledger has it; everything a crash leaves before that is rubbish and removed at the next start.
 */
export class SnapshotStore {
  private readonly verified: VerifiedFiles = new Map();
  private readonly reserved = new Set<string>();
  /** Those whose files are being used. */
  readonly holds = new Holds();
  private opened: { readonly sealer: Sealer; readonly ledger: Ledger } | undefined;

  /** @param root `snapshots/` of the state root */
  constructor(
    private readonly root: string,
    private readonly keyPath: string,
  ) {}

  /**
   * Finishes or removes what a killed daemon was making, and what is vouched for of sandboxes that are gone. Called before
   * anything else. With a ledger that cannot be believed nothing is removed that it may vouch for.
   */
  recover(sandboxes: string): void {
    const believed = this.believed();
    for (const name of this.names()) {
      const path = join(this.root, name);
      const id = name.startsWith(makingPrefix) ? name.slice(makingPrefix.length) : undefined;
      if (id !== undefined && this.vouched(id)) renameSync(path, join(this.root, id));
      else if (name.startsWith(scratchPrefix) || name.endsWith(temporarySuffix) || (id !== undefined && believed)) {
        rmSync(path, { recursive: true, force: true });
      }
    }
    if (!believed || !existsSync(this.ledgerPath)) return;
    const gone = this.ledger.ids().filter((id) => isId(id, "sbx") && !existsSync(join(sandboxes, id)));
    this.quietly(() => this.ledger.forget(...gone));
  }

  /** Oldest first. One that is damaged is left out; `open` says what is wrong with it. */
  list(): SnapshotInfo[] {
    if (!existsSync(this.root)) return [];
    const infos: SnapshotInfo[] = [];
    const ids = this.ledger.ids().filter((known) => isId(known, "snp"));
    for (const id of ids.sort()) {
      try {
        const { directory, manifest } = this.open(id);
        infos.push(infoOfManifest(directory, manifest));
      } catch {
        continue;
      }
    }
    return infos;
  }

  /** A new empty directory for the capture of this id. */
  begin(id: string): string {
    const directory = join(this.root, `${makingPrefix}${id}`);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return directory;
  }

  /** A new empty directory for a capture that is used at once and belongs to nobody afterwards. */
  scratch(id: string): string {
    const directory = join(this.root, `${scratchPrefix}${id}`);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return directory;
  }

  /**
   * Takes a name for a snapshot that is being made; call what is returned when it is made or given up.
   * @throws {InvalidArgumentError} code NAME_TAKEN
   */
  reserve(name: string | null): () => void {
    if (name === null) return () => undefined;
    if (isId(name))
      throw new InvalidArgumentError({ message: `Cannot name a snapshot "${name}": that is the form of an id` });
    if (this.reserved.has(name) || this.idOfName(name) !== undefined) {
      throw new InvalidArgumentError({
        code: "NAME_TAKEN",
        message: `Cannot save a snapshot as "${name}": the name is taken`,
        hint: "Choose another name, or remove the snapshot first with `mvmctl snapshot rm NAME`",
      });
    }
    this.reserved.add(name);
    return () => void this.reserved.delete(name);
  }

  /** Seals a snapshot, makes it valid and gives its directory its name. */
  commit(making: string, manifest: Omit<UnsealedManifest, "epoch">): SnapshotInfo {
    this.vouch(making, manifest);
    const directory = join(this.root, manifest.id);
    renameSync(making, directory);
    syncDirectory(this.root);
    fault("snapshot.after-name");
    this.remember(directory, manifest.parts);
    return infoOfManifest(directory, this.open(manifest.id).manifest);
  }

  /** Takes digests that were computed from these files under another name: they need not be read again. */
  remember(directory: string, parts: readonly SnapshotPart[]): void {
    for (const part of parts) remember(this.verified, join(directory, part.name), part);
  }

  /** Seals the capture in a directory and makes it valid, in place of a former one of the same id. */
  vouch(directory: string, manifest: Omit<UnsealedManifest, "epoch">): void {
    const epoch = this.ledger.nextEpoch();
    fault("snapshot.before-seal");
    const manifestSha256 = writeManifest(directory, { ...manifest, epoch }, this.sealer);
    this.ledger.record(manifest.id, { epoch, name: manifest.name, manifest_sha256: manifestSha256 });
  }

  /** Removes what a save that failed has left. */
  async giveUp(id: string, making: string): Promise<void> {
    for (const path of [making, join(this.root, id)]) await rm(path, { recursive: true, force: true });
    this.quietly(() => this.forget(id));
  }

  /**
   * What was saved of a sandbox is no longer valid. Never throws: it is of no use without the sandbox's own record that it is
   * cold, and a full disk or a lost key must not keep anybody from ending a sandbox. What is left goes at the next start.
   */
  forgetSandbox(id: string): void {
    this.quietly(() => this.forget(id));
  }

  private forget(id: string): void {
    if (this.opened !== undefined || existsSync(this.ledgerPath)) this.ledger.forget(id);
  }

  private quietly(work: () => void): void {
    try {
      work();
    } catch {
      // Said in the comment of whoever calls this.
    }
  }

  /** Whether the ledger, if there is one, can be believed. */
  private believed(): boolean {
    try {
      return !existsSync(this.ledgerPath) || !this.ledger.isBroken;
    } catch {
      return false;
    }
  }

  /** Whether the ledger has a valid capture of this id. Never throws. */
  vouched(id: string): boolean {
    try {
      return existsSync(this.ledgerPath) && this.ledger.find(id) !== undefined;
    } catch {
      return false;
    }
  }

  /**
   * A snapshot by id or name, its manifest checked against seal and ledger.
   * @throws {SnapshotError} code SNAPSHOT_NOT_FOUND
   * @throws {SnapshotMismatchError}
   */
  open(ref: string): Captured {
    const id = isId(ref, "snp") ? ref : this.idOfName(ref);
    if (id === undefined || (!this.vouched(id) && !existsSync(join(this.root, id)))) throw notFound(ref);
    return this.check(id, join(this.root, id), `snapshot "${ref}"`);
  }

  /** The capture of this id in a directory. @throws {SnapshotMismatchError} */
  check(id: string, directory: string, what: string): Captured {
    const entry = this.ledger.find(id);
    if (entry === undefined) {
      throw new SnapshotMismatchError({ message: `Cannot use ${what}: the ledger does not know it` });
    }
    const { manifest, manifestSha256 } = readManifest(directory, this.sealer, what);
    if (manifest.epoch !== entry.epoch || manifest.id !== id || manifestSha256 !== entry.manifest_sha256) {
      const message = `Cannot use ${what}: it was sealed in epoch ${manifest.epoch}, the valid one in epoch ${entry.epoch}`;
      throw new SnapshotMismatchError({ message, context: { epoch: manifest.epoch, expected: entry.epoch } });
    }
    return { directory, manifest, what };
  }

  /**
   * Compares every part with its digest.
   * @param options `fresh` reads everything, also what was read before and has not changed since
   * @throws {SnapshotMismatchError}
   */
  async verify(
    { directory, manifest, what }: Captured,
    backend: Backend,
    options: { readonly signal?: AbortSignal; readonly fresh?: boolean } = {},
  ): Promise<void> {
    const ranges = (path: string) => backend.dataRanges(path);
    const verified: VerifiedFiles = options.fresh === true ? new Map<never, never>() : this.verified;
    const { signal } = options;
    await verifyParts(directory, manifest.parts, what, { ranges, verified, ...(signal && { signal }) });
  }

  /**
   * Removes a snapshot, also one that is damaged. Machines that were restored from it go on.
   * @returns false when there is none
   * @throws {SnapshotError} its files are being used
   */
  async remove(ref: string): Promise<boolean> {
    const id = isId(ref, "snp") ? ref : this.idOfName(ref);
    if (id === undefined || (!this.vouched(id) && !existsSync(join(this.root, id)))) return false;
    if (this.holds.has(id)) {
      throw new SnapshotError({
        message: `Cannot remove snapshot "${ref}": it is being restored or read`,
        hint: "Try again when that is done",
        outcome: "not_started",
      });
    }
    const doomed = join(this.root, `${makingPrefix}${id}`);
    // In this order: whatever is left by a daemon that dies in between is either still a snapshot or rubbish.
    if (existsSync(join(this.root, id))) renameSync(join(this.root, id), doomed);
    fault("snapshot.before-forget");
    this.forget(id);
    for (const path of [...this.verified.keys()]) if (path.startsWith(join(this.root, id))) this.verified.delete(path);
    await rm(doomed, { recursive: true, force: true });
    return true;
  }

  private get ledgerPath(): string {
    return join(this.root, "ledger.json");
  }

  private get ledger(): Ledger {
    return this.openKeys().ledger;
  }

  private get sealer(): Sealer {
    return this.openKeys().sealer;
  }

  /** Made on first need: a state root without snapshots has neither key nor ledger. */
  private openKeys(): { readonly sealer: Sealer; readonly ledger: Ledger } {
    if (this.opened === undefined) {
      mkdirSync(this.root, { recursive: true, mode: 0o700 });
      const sealer = openSealer(this.keyPath);
      this.opened = { sealer, ledger: new Ledger(this.ledgerPath, sealer) };
    }
    return this.opened;
  }

  private idOfName(name: string): string | undefined {
    return existsSync(this.ledgerPath) ? this.ledger.idOfName(name) : undefined;
  }

  private names(): string[] {
    try {
      return readdirSync(this.root);
    } catch {
      return [];
    }
  }
}

/** @throws {SnapshotError} */
export function notFound(ref: string): SnapshotError {
  return new SnapshotError({
    code: "SNAPSHOT_NOT_FOUND",
    message: `Cannot find snapshot ${JSON.stringify(ref)}: there is none of that name or id`,
    outcome: "not_started",
  });
}
