import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { isId, SnapshotMismatchError } from "@mvm/protocol";
import { fault } from "../observe/fault.js";
import { writeFileAtomic } from "../store/atomic.js";
import { readPlainFile } from "../store/plain-file.js";
import type { Sealer } from "./seal.js";

/** Largest ledger that is read: a hundred thousand entries. Bytes. */
const maxBytes = 32 * 1024 * 1024;

const strict = { additionalProperties: false } as const;
const EntrySchema = Type.Object(
  {
    epoch: Type.Integer({ minimum: 1 }),
    /** Of the snapshot; of a sandbox that is cold as well. */
    name: Type.Union([Type.String(), Type.Null()]),
    manifest_sha256: Type.String(),
  },
  strict,
);
const LedgerSchema = Type.Object(
  {
    schema_version: Type.Literal(1),
    /** The last epoch given out. */
    epoch: Type.Integer({ minimum: 0 }),
    /** What is captured and valid, by the id of the snapshot or of the cold sandbox. */
    entries: Type.Record(Type.String(), EntrySchema),
    seal: Type.String(),
  },
  strict,
);
type LedgerFile = Static<typeof LedgerSchema>;
export type LedgerEntry = Static<typeof EntrySchema>;

/**
 * Which captured states this state root vouches for, each with the epoch of its making. Being written here is what makes a
 * capture valid; a manifest of another epoch, an older one put in place of a newer, is refused. One sealed file.
 */
export class Ledger {
  private file: Omit<LedgerFile, "seal">;
  /** Why nothing of it can be believed. */
  private broken: string | undefined;

  constructor(
    private readonly path: string,
    private readonly sealer: Sealer,
  ) {
    this.file = { schema_version: 1, epoch: 0, entries: {} };
    this.broken = this.load();
  }

  /** The valid entry of an id; undefined when nothing of that id was captured. @throws {SnapshotMismatchError} */
  find(id: string): LedgerEntry | undefined {
    this.requireWhole();
    return this.file.entries[id];
  }

  /** @throws {SnapshotMismatchError} */
  ids(): string[] {
    this.requireWhole();
    return Object.keys(this.file.entries);
  }

  /** Id of the snapshot of that name: also of one whose manifest is damaged. @throws {SnapshotMismatchError} */
  idOfName(name: string): string | undefined {
    return this.ids().find((id) => isId(id, "snp") && this.file.entries[id]?.name === name);
  }

  /** Whether nothing of it can be believed. */
  get isBroken(): boolean {
    return this.broken !== undefined;
  }

  /** The epoch the next capture gets. It is not used up before `record`. */
  nextEpoch(): number {
    this.requireWhole();
    return this.file.epoch + 1;
  }

  /** Makes a capture valid, durably. */
  record(id: string, entry: LedgerEntry): void {
    this.requireWhole();
    this.write({
      ...this.file,
      epoch: Math.max(this.file.epoch, entry.epoch),
      entries: { ...this.file.entries, [id]: entry },
    });
  }

  /** Makes captures invalid, durably. Nothing happens when they were not valid. */
  forget(...ids: readonly string[]): void {
    if (this.broken !== undefined || !ids.some((id) => this.file.entries[id] !== undefined)) return;
    const entries = Object.entries(this.file.entries).filter(([id]) => !ids.includes(id));
    this.write({ ...this.file, entries: Object.fromEntries(entries) });
  }

  private write(next: Omit<LedgerFile, "seal">): void {
    fault("snapshot.before-ledger");
    writeFileAtomic(this.path, JSON.stringify(this.sealer.seal(next)), { durable: true });
    this.file = next;
    fault("snapshot.after-ledger");
  }

  private requireWhole(): void {
    if (this.broken === undefined) return;
    throw new SnapshotMismatchError({
      message: `Cannot use any snapshot: the ledger that vouches for them ${this.broken}`,
      hint: "Restore snapshots/ledger.json and keys/snapshot.key together from a backup, or remove both and lose the snapshots",
    });
  }

  private load(): string | undefined {
    let value: unknown;
    try {
      value = JSON.parse(readPlainFile(this.path, maxBytes));
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : "cannot be read";
    }
    if (!Value.Check(LedgerSchema, value)) return "has not the form of one";
    if (!this.sealer.check(value)) return "does not match its seal";
    const { seal: _seal, ...file } = value;
    this.file = file;
    return undefined;
  }
}
