import type { KeyObject } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sha256 } from "../canonical/digest.js";
import { parseEntry, type Entry } from "../chain/entry.js";
import { headIsSignedBy, maxHeadBytes, parseHead, type Head } from "../chain/head.js";
import { isLocked } from "../chain/lock.js";
import { BrokenLine, ChainWalk } from "../chain/walk.js";
import { endorsedKey, keyRotatedEvent } from "../keys/rotation.js";
import { keyId } from "../keys/key-id.js";
import { headName, logName, segmentName, segmentNumber } from "../layout.js";
import { LineFile } from "./line-file.js";
import type { ChainProblem, ChainVerdict } from "./verdict.js";

export interface ChainToVerify {
  /** `audit/<tenant>` of a state root, or a copy of it. */
  readonly directory: string;
  readonly tenant: string;
  /** The public key that the head must be signed by, or that vouches for the one that signed it. */
  readonly key: KeyObject;
  /** The lock of the root's writer: while it is held, operations may be under way and entries not yet signed. */
  readonly lock?: string;
  /** Called with each good entry. */
  readonly onEntry?: (entry: Entry) => void;
}

/** A head follows its entries within milliseconds; a writer that lets it wait for this long is stuck. */
const headPatienceMs = 2_000;
const headPauseMs = 20;
/** Rounds of reading on after a writer that never pauses; every one of them ended at a signed head. */
const maxRounds = 50;
/** Verifications of a chain whose writer begins segments meanwhile. */
const maxAttempts = 3;

class Failure extends Error {
  constructor(
    readonly reason: ChainProblem,
    detail: string,
    readonly place: { file: string; line: number; seq: number } | null = null,
  ) {
    super(detail);
  }
}

/**
 * Verifies the chain of a tenant from its files alone, in constant memory, also while a writer appends to it.
 * Never throws for what the files hold.
 */
export async function verifyChain(chain: ChainToVerify): Promise<ChainVerdict> {
  for (let attempt = 1; ; attempt++) {
    const verifier = new ChainVerifier(chain);
    const before = await segmentsOf(chain.directory);
    const verdict = await verifier.run();
    if (verdict.ok || attempt === maxAttempts) return verdict;
    // A writer that begins a new segment moves the log away under the reader.
    if ((await segmentsOf(chain.directory)).length === before.length) return verdict;
  }
}

/** Numbers of the full segments in a directory, ascending. */
async function segmentsOf(directory: string): Promise<number[]> {
  try {
    return (await readdir(directory)).flatMap((name) => segmentNumber(name) ?? []).sort((a, b) => a - b);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

class ChainVerifier {
  private readonly walk: ChainWalk;
  private trusted: KeyObject;
  private file: LineFile | undefined;
  private fileName = logName;
  private line = 0;

  constructor(private readonly chain: ChainToVerify) {
    this.walk = new ChainWalk(chain.tenant);
    this.trusted = chain.key;
  }

  async run(): Promise<ChainVerdict> {
    try {
      return await this.verify();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const { reason, message: detail, place } = error;
      const { file = null, line = null, seq = null } = place ?? {};
      const entries = seq === null ? this.walk.seq : seq - 1;
      return { ok: false, tenant: this.chain.tenant, entries, reason, detail, file, line, seq };
    } finally {
      await this.file?.close();
    }
  }

  private async verify(): Promise<ChainVerdict> {
    const { tenant } = this.chain;
    let head = await this.readHead();
    const files = await this.files();
    if (head === undefined) {
      if (await this.nothingThere(files)) {
        return { ok: true, tenant, entries: 0, head: null, empty: true, open: 0, clock_steps: 0, key_id: null };
      }
      throw new Failure("head_signature", "the log has no signed head");
    }
    // Unless the key was rotated, a wrong signature is said at once; otherwise the chain says who may have signed.
    if (head.key_id === keyId(this.trusted)) this.checkSignature(head);
    for (const name of files) {
      await this.readUpTo(name, head);
    }
    if (this.walk.seq < head.size) await this.missingEntries(head);
    this.checkSignature(head);
    this.checkHash(head);
    head = await this.readOn(head);
    const open = this.walk.open.size;
    if (open > 0 && !this.writerLives()) {
      const [begin] = this.walk.open.values();
      throw new Failure(
        "dangling_begin",
        `${begin?.event} ${begin?.id} has no end, and no writer is alive that could write it`,
      );
    }
    const { seq: entries, backwards } = this.walk;
    const hash = entries === 0 ? null : this.walk.head;
    return {
      ok: true,
      tenant,
      entries,
      head: hash,
      empty: entries === 0,
      open,
      clock_steps: backwards,
      key_id: head.key_id,
    };
  }

  /** Full segments in their order, then the log. */
  private async files(): Promise<string[]> {
    const numbers = await segmentsOf(this.chain.directory);
    const gap = numbers.findIndex((number, at) => number !== at + 1);
    if (gap >= 0) throw new Failure("missing_log", `the segment ${segmentName(gap + 1)} is missing`);
    return [...numbers.map(segmentName), logName];
  }

  private async nothingThere(files: readonly string[]): Promise<boolean> {
    const sizes = files.map((name) =>
      stat(join(this.chain.directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
    return (await Promise.all(sizes)).every((size) => size === 0);
  }

  private async readHead(): Promise<Head | undefined> {
    const path = join(this.chain.directory, headName);
    try {
      if ((await stat(path)).size > maxHeadBytes) throw new Failure("head_signature", "the head is too large");
      const head = parseHead(await readFile(path, "utf8"));
      if (head.tenant === this.chain.tenant) return head;
      throw new Failure("head_signature", `the head is of tenant ${JSON.stringify(head.tenant)}`);
    } catch (error) {
      if (error instanceof Failure) throw error;
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      if (error instanceof TypeError || error instanceof SyntaxError)
        throw new Failure("head_signature", `the head is malformed: ${error.message}`);
      throw error;
    }
  }

  private async readUpTo(name: string, head: Head): Promise<void> {
    const file = await LineFile.open(join(this.chain.directory, name));
    if (file === undefined) return;
    await this.file?.close();
    this.file = file;
    this.fileName = name;
    this.line = 0;
    await this.follow(head);
    // What is left of the log itself is looked at behind the head; a full segment ends with its last entry.
    if (name !== logName && (await file.left()) > 0)
      throw new Failure("malformed", "the segment does not end with its last signed entry", this.place(1));
  }

  private async follow(head: Head): Promise<void> {
    if (this.walk.seq === head.size || this.file === undefined) return;
    let broken: { error: BrokenLine; hash: string } | undefined;
    const outcome = await this.file.each((line) => {
      if (broken !== undefined) this.blame(broken.error, linkOf(line) === broken.hash);
      try {
        const entry = this.walk.take(line);
        this.line += 1;
        if (entry.event === keyRotatedEvent) this.trusted = endorsedKey(entry.data, this.trusted) ?? this.trusted;
        this.chain.onEntry?.(entry);
      } catch (error) {
        if (!(error instanceof BrokenLine)) throw error;
        if (error.reason !== "prev_mismatch") throw new Failure(error.reason, error.message, this.place(1));
        // Its link and the line before disagree: which of the two was changed shows in the next link.
        broken = { error, hash: sha256(line) };
        return true;
      }
      return this.walk.seq < head.size;
    });
    if (broken !== undefined) this.blame(broken.error, head.head === broken.hash);
    if (outcome === "too_long")
      throw new Failure("malformed", "the line is longer than an entry can be", this.place(1));
  }

  private blame(error: BrokenLine, intact: boolean): never {
    const before = intact && !error.moved && this.line > 0;
    const detail = before ? "the next line's link is not the hash of this line" : error.message;
    throw new Failure("prev_mismatch", detail, this.place(before ? 0 : 1));
  }

  private checkHash(head: Head): void {
    if (this.walk.seq === head.size && this.walk.head !== head.head)
      throw new Failure("prev_mismatch", "the signed head is not the hash of this line", this.place(0));
  }

  private checkSignature(head: Head): void {
    if (head.key_id !== keyId(this.trusted))
      throw new Failure("head_signature", `the head is signed by key ${head.key_id}, not by the trusted one`);
    if (!headIsSignedBy(head, this.trusted)) throw new Failure("head_signature", "the head's signature is not valid");
  }

  private async missingEntries(head: Head): Promise<never> {
    const missing = `${head.size - this.walk.seq} of ${head.size} signed entries are missing`;
    this.checkSignature(head);
    const log = await LineFile.open(join(this.chain.directory, logName));
    await log?.close();
    if (log === undefined) throw new Failure("missing_log", `there is no ${logName}: ${missing}`);
    throw new Failure("truncated", `the end of the log is missing: ${missing}`);
  }

  /** What lies behind the head a living writer signs in a moment; anything else nobody vouches for. */
  private async readOn(signed: Head): Promise<Head> {
    let head = signed;
    for (let round = 0; round < maxRounds && (await this.unread()); round++) {
      const next = await this.nextHead(head);
      if (next === undefined) {
        throw new Failure("head_signature", "what follows the last signed entry is not signed", this.place(1));
      }
      this.checkSignature(next);
      head = next;
      await this.follow(head);
      if (this.walk.seq < head.size) await this.missingEntries(head);
      this.checkHash(head);
    }
    return head;
  }

  private async unread(): Promise<boolean> {
    return ((await this.file?.left()) ?? 0) > 0;
  }

  private async nextHead(head: Head): Promise<Head | undefined> {
    for (let waited = 0; ; waited += headPauseMs) {
      const next = await this.readHead();
      if (next !== undefined && next.size > head.size) return next;
      if (waited >= headPatienceMs || !this.writerLives()) return undefined;
      await sleep(headPauseMs);
    }
  }

  private writerLives(): boolean {
    return this.chain.lock !== undefined && isLocked(this.chain.lock);
  }

  private place(offset: 0 | 1): { file: string; line: number; seq: number } {
    return { file: this.fileName, line: this.line + offset, seq: this.walk.seq + offset };
  }
}

function linkOf(line: Buffer): string | undefined {
  try {
    return parseEntry(line).prev;
  } catch {
    return undefined;
  }
}
