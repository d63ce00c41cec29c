import { sha256 } from "../canonical/digest.js";
import type { Json } from "../canonical/json.js";
import { closes, genesis, opens, parseEntry, type Entry } from "./entry.js";

/** First entry of every segment but the first. */
export const segmentEvent = "chain.segment";

/** A begin that no end has closed yet. */
export interface OpenBegin {
  readonly id: string;
  readonly event: string;
  readonly sandbox_id: string | null;
  readonly run_id: string | null;
}

export type LineProblem = "malformed" | "prev_mismatch";

/** A line that does not continue the chain. */
export class BrokenLine extends Error {
  constructor(
    readonly reason: LineProblem,
    message: string,
    /** The line stood elsewhere: its number does not follow either. */
    readonly moved = false,
  ) {
    super(message);
  }
}

/** Follows a chain line by line. Memory grows with the begins that are open at once, not with the chain. */
export class ChainWalk {
  /** Sequence number of the last entry. */
  seq = 0;
  /** SHA-256 of the last line. */
  head = genesis;
  /** Time of the last entry. */
  time: string | null = null;
  /** Entries that are older than the one before them: the host's clock was set back. */
  backwards = 0;
  readonly open = new Map<string, OpenBegin>();

  /** Begun in the middle: which begins are open is known from the next segment's first entry. */
  private partial = false;

  constructor(private readonly tenant: string) {}

  /** @throws {BrokenLine} the line is not the next one of this chain; nothing has changed then */
  take(line: Buffer): Entry {
    let entry: Entry;
    try {
      entry = parseEntry(line);
    } catch (error) {
      throw new BrokenLine("malformed", (error as Error).message);
    }
    if (entry.tenant !== this.tenant) throw new BrokenLine("malformed", `it belongs to tenant "${entry.tenant}"`);
    if (entry.prev !== this.head)
      throw new BrokenLine("prev_mismatch", "its link is not the hash of the line before", entry.seq !== this.seq + 1);
    if (entry.seq !== this.seq + 1)
      throw new BrokenLine("malformed", `its sequence number is ${entry.seq}, not ${this.seq + 1}`);
    this.passed(entry, sha256(line));
    return entry;
  }

  /** Counts an entry that is known to be next: one that was just written. */
  passed(entry: Entry, hash: string): void {
    this.seq = entry.seq;
    this.head = hash;
    if (this.time !== null && entry.time < this.time) this.backwards += 1;
    this.time = entry.time;
    if (this.partial && entry.event === segmentEvent) {
      for (const begin of listedBegins(entry)) this.open.set(begin.id, begin);
    }
    if (opens(entry)) this.open.set(entry.id, openBegin(entry));
    const closed = closes(entry);
    if (closed !== undefined) this.open.delete(closed);
  }

  /** A walk that begins in the middle: behind the entry with that number and hash, whose chain was checked before. */
  static after(tenant: string, seq: number, head: string): ChainWalk {
    const walk = new ChainWalk(tenant);
    walk.seq = seq;
    walk.head = head;
    walk.partial = true;
    return walk;
  }
}

/** What a segment's first entry says of the one before. */
export function segmentData(number: number, open: Iterable<OpenBegin>): { readonly [key: string]: Json } {
  return { segment: number, open: [...open].map((begin) => ({ ...begin })) };
}

function listedBegins(entry: Entry): readonly OpenBegin[] {
  const list = entry.data["open"];
  return Array.isArray(list) ? (list as readonly OpenBegin[]) : [];
}

function openBegin({ id, event, sandbox_id, run_id }: Entry): OpenBegin {
  return { id, event, sandbox_id, run_id };
}
