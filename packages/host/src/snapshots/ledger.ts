import { readFileSync } from "node:fs";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { SnapshotMismatchError } from "@mvm/protocol";
import { fault } from "../observe/fault.js";
import { writeFileAtomic } from "../store/atomic.js";
import type { Sealer } from "./seal.js";

const strict = { additionalProperties: false } as const;
const EntrySchema = Type.Object({ epoch: Type.Integer({ minimum: 1 }), manifest_sha256: Type.String() }, strict);
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

  /** Makes a capture invalid, durably. Nothing happens when it was not valid. */
  forget(id: string): void {
    if (this.broken !== undefined || this.file.entries[id] === undefined) return;
    const { [id]: _gone, ...entries } = this.file.entries;
    this.write({ ...this.file, entries });
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
      value = JSON.parse(readFileSync(this.path, "utf8"));
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
