import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { isSandboxError, newId } from "@mvm/protocol";
import { sha256 } from "../canonical/digest.js";
import { cannotRecord, systemReason } from "../errors.js";
import { keptEndorsement, keyRotatedEvent } from "../keys/rotation.js";
import { headName, logName, segmentName } from "../layout.js";
import { entryLine, interruptedEvent, type Actor, type Entry, type EntryFacts } from "./entry.js";
import { headText, signHead, type Head } from "./head.js";
import { recoverLog, type ChainFiles, type Recovered } from "./recover.js";
import { Reserve } from "./reserve.js";
import { segmentData, segmentEvent } from "./walk.js";

export interface ChainOptions extends ChainFiles {
  /** Directory of the keys; a rotated key left its endorsement there. */
  readonly keys: string;
  /** Who writes what nobody asked for: repairs, links, `interrupted`. */
  readonly self: Actor;
  /** Size beyond which a log becomes a full segment. Bytes. */
  readonly segmentBytes?: number;
}

/** Where an entry went. */
export interface Appended {
  readonly id: string;
  readonly seq: number;
}

interface Waiting {
  readonly facts: EntryFacts;
  readonly id: string;
  readonly reserved: boolean;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
}

/** A start reads one segment: this keeps it under half a second. */
const defaultSegmentBytes = 32 * 1024 * 1024;
/** Entries written and made durable together. */
const maxBatch = 512;
/** Begins that a segment's first entry can list; while more are open, the log just grows on. */
const maxListedBegins = 250;
/** After these nothing was lost but the room for it: the next append may succeed. */
const roomErrors = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

const isForRoom = (error: unknown): boolean => roomErrors.has((error as NodeJS.ErrnoException).code ?? "");

/** Whether an append or an opening failed for nothing but the room it needed. */
export function lackedRoom(error: unknown): boolean {
  return isForRoom(error) || isForRoom((error as Error).cause ?? {});
}

/** Appends to the chain of one tenant. The only one that does: whoever makes it holds the lock of the state root. */
export class ChainWriter {
  private readonly queue: Waiting[] = [];
  private committing: Promise<void> | null = null;
  private broken: Error | null = null;
  private readonly reserve: Reserve;

  private constructor(
    private readonly options: ChainOptions,
    private readonly at: { -readonly [key in keyof Recovered]: Recovered[key] },
  ) {
    this.reserve = new Reserve(options.directory, options.disk);
  }

  /**
   * Brings a log in order and writes what happened to it: `chain.recovered` for what a crash left, `key.rotated` for a
   * new key, `interrupted` for every begin whose end was never written.
   */
  static async open(options: ChainOptions): Promise<ChainWriter> {
    const at = await recoverLog(options);
    const writer = new ChainWriter(options, at);
    const notes: EntryFacts[] = [];
    const note = (event: string, data: EntryFacts["data"] & object, about: Partial<EntryFacts> = {}): void =>
      void notes.push({ event, actor: options.self, data, ...about });
    if (at.tornBytes > 0 || at.unsigned > 0) {
      note("chain.recovered", { torn_bytes: at.tornBytes, unsigned_entries: at.unsigned });
    }
    if (at.signedBy !== options.key.id) {
      const { id } = options.key;
      note(keyRotatedEvent, {
        ...(keptEndorsement(options.keys, "audit", at.signedBy) ?? { from: at.signedBy, to: id }),
      });
    }
    for (const { id, event, sandbox_id: sandboxId, run_id: runId } of at.walk.open.values()) {
      note(interruptedEvent, { begin: id, event }, { sandboxId, runId });
    }
    try {
      await Promise.all(notes.map((facts) => writer.append(facts, { reserved: true })));
    } catch (error) {
      await writer.close();
      throw error;
    }
    writer.reserve.refill();
    return writer;
  }

  /** Entries so far. */
  get size(): number {
    return this.at.walk.seq;
  }

  /** Why nothing can be appended any more; null while appends may succeed. */
  get problem(): Error | null {
    return this.broken;
  }

  /**
   * Resolves once the entry and the head that covers it would survive a power failure. Calls are written in their order;
   * those that come while others are being made durable share one write. A `reserved` entry may take the room that is kept
   * for what ends something: a full disk must not hold machines alive.
   * @throws {TypeError} the facts cannot be an entry; nothing was written
   * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: the entry is not in the history, and what it announces must not happen
   */
  append(facts: EntryFacts, { reserved = false }: { readonly reserved?: boolean } = {}): Promise<Appended> {
    const id = newId("evt");
    // A mistake in one entry must not spoil those that are written with it.
    entryLine(this.entryOf({ facts, id }, this.at.walk.seq + 1, this.at.walk.head, this.now()));
    return new Promise((resolve, reject) => {
      this.queue.push({ facts, id, reserved, resolve, reject });
      this.committing ??= this.commitAll();
    });
  }

  /** Waits for what is on its way, and closes the log. */
  async close(): Promise<void> {
    await this.committing;
    if (this.broken === null) closeSync(this.at.fd);
    this.broken ??= cannotRecord("the history is closed");
  }

  private async commitAll(): Promise<void> {
    // What the same turn of the event loop appends goes into the first write.
    await Promise.resolve();
    while (this.queue.length > 0) {
      const batch = this.queue.splice(0, maxBatch);
      try {
        await this.commit(batch);
        if (batch.some(({ reserved }) => !reserved)) this.reserve.refill();
      } catch (error) {
        const again = isForRoom(error) && batch.some(({ reserved }) => reserved) && this.reserve.release();
        const refused = isSandboxError(error) ? error : cannotRecord(systemReason(error), error);
        for (const { reserved, reject } of batch) if (!again || !reserved) reject(refused);
        if (again) this.queue.unshift(...batch.filter(({ reserved }) => reserved));
      }
    }
    this.committing = null;
  }

  private async commit(batch: readonly Waiting[]): Promise<void> {
    if (this.broken !== null) throw this.broken;
    this.checkLog();
    const { at } = this;
    const time = this.now();
    const links = this.rotateWhenFull();
    const lines: string[] = [];
    const written: { entry: Entry; hash: string }[] = [];
    let prev = at.walk.head;
    for (const each of [...links, ...batch]) {
      const entry = this.entryOf(each, at.walk.seq + written.length + 1, prev, time);
      const line = entryLine(entry);
      prev = sha256(line);
      lines.push(line, "\n");
      written.push({ entry, hash: prev });
    }
    const bytes = Buffer.from(lines.join(""));
    const seq = at.walk.seq + written.length;
    try {
      await this.makeDurable(bytes, { size: seq, head: prev, time });
    } catch (error) {
      await this.takeBack(error);
      throw error;
    }
    at.size += bytes.byteLength;
    for (const { entry, hash } of written) at.walk.passed(entry, hash);
    batch.forEach(({ id, resolve }, index) => resolve({ id, seq: seq - batch.length + index + 1 }));
  }

  /** The head becomes durable together with the log, and visible only behind it: it never signs what is not there. */
  private async makeDurable(bytes: Buffer, facts: Pick<Head, "size" | "head" | "time">): Promise<void> {
    const { directory, disk, key, tenant } = this.options;
    const { fd } = this.at;
    disk.append(fd, bytes);
    const logged = this.orBreak(() => disk.datasync(fd));
    const path = join(directory, headName);
    const head = signHead({ tenant, ...facts, key_id: key.id }, key.key);
    const [log, next] = await Promise.allSettled([logged, disk.prepare(path, Buffer.from(headText(head)))]);
    if (log.status === "rejected") throw log.reason;
    if (next.status === "rejected") throw next.reason;
    disk.publish(path);
  }

  /** Removes from the log what was not acknowledged. Unless that is certain, nothing is ever appended again. */
  private async takeBack(cause: unknown): Promise<void> {
    if (this.broken !== null) return;
    const { fd, size } = this.at;
    try {
      this.options.disk.truncate(fd, size);
      await this.options.disk.datasync(fd);
    } catch (error) {
      this.break(error);
    }
    if (!isForRoom(cause)) this.break(cause);
  }

  /** After a failed sync the system forgets what it could not write: trying again would succeed and prove nothing. */
  private async orBreak(sync: () => Promise<void>): Promise<void> {
    try {
      await sync();
    } catch (error) {
      this.break(error);
      throw error;
    }
  }

  private break(error: unknown): void {
    if (this.broken !== null) return;
    this.broken = cannotRecord(
      `the history failed and is closed until the daemon starts anew: ${systemReason(error)}`,
      error,
    );
    closeSync(this.at.fd);
  }

  /** Somebody who moves or writes the log behind this process must not get a chain with two ends. */
  private checkLog(): void {
    const { fd, size } = this.at;
    let problem: string | undefined;
    try {
      const named = statSync(join(this.options.directory, logName));
      const held = fstatSync(fd);
      if (named.ino !== held.ino || named.dev !== held.dev) problem = "the log was exchanged";
      else if (held.size !== size) problem = "somebody else wrote to the log";
    } catch (error) {
      problem = `the log: ${systemReason(error)}`;
    }
    if (problem === undefined) return;
    this.break(new Error(problem));
    throw this.broken as unknown as Error;
  }

  /** A full log becomes a segment. A crash in between is found by the next start: segments, and no log yet. */
  private rotateWhenFull(): { facts: EntryFacts; id: string }[] {
    const { at, options } = this;
    const { open } = at.walk;
    const full = at.size >= (options.segmentBytes ?? defaultSegmentBytes) && open.size <= maxListedBegins;
    if (full) {
      try {
        const path = join(options.directory, logName);
        options.disk.rename(path, join(options.directory, segmentName(at.segments + 1)));
        const fresh = openSync(
          path,
          constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW,
          0o600,
        );
        closeSync(at.fd);
        Object.assign(at, { fd: fresh, size: 0, segments: at.segments + 1 });
        options.disk.syncDirectory(options.directory);
      } catch (error) {
        this.break(error);
        throw error;
      }
    }
    if (at.size > 0 || at.segments === 0) return [];
    const data = segmentData(at.segments, open.values());
    return [{ facts: { event: segmentEvent, actor: options.self, data }, id: newId("evt") }];
  }

  private entryOf({ facts, id }: Pick<Waiting, "facts" | "id">, seq: number, prev: string, time: string): Entry {
    const { event, sandboxId = null, runId = null, actor, data = {} } = facts;
    const { tenant } = this.options;
    return { v: 1, id, seq, time, tenant, event, sandbox_id: sandboxId, run_id: runId, actor, data, prev };
  }

  private now(): string {
    return new Date().toISOString();
  }
}
