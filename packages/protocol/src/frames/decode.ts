import { limits } from "../limits.js";
import { type Frame, FrameType, type Sender } from "./frame.js";
import { HeadReader } from "./head.js";
import { type Header, syncFrame } from "./header.js";
import { PayloadReader } from "./payload.js";
import { SyncScanner } from "./sync.js";
import { violation } from "./violation.js";

/** A WELCOME or HELLO larger than this is none: a search must not swallow what follows a lookalike. */
const answerBytes = 8192;

/**
 * Turns chunks into frames. Strict by default: the first violation is thrown after the frames before it, and again on
 * every later push. After {@link FrameDecoder.scan} everything is discarded until SYNC and the message that goes with it.
 *
 * Holds at most one unfinished frame. A payload that lies within one chunk shares its memory.
 */
export class FrameDecoder {
  readonly #answer: FrameType;
  readonly #head: HeadReader;
  readonly #payload = new PayloadReader();
  readonly #scanner = new SyncScanner();
  #header: Header | null = null;
  #failure: Error | null = null;
  /** `found`: SYNC was seen in a search and what follows may be its answer. */
  #mode: "strict" | "scan" | "found" = "strict";
  #budget = 0;

  /** `from` is the end whose bytes are read: types that only the other end sends are violations. */
  constructor(from: Sender) {
    this.#head = new HeadReader(from);
    this.#answer = from === "guest" ? FrameType.WELCOME : FrameType.HELLO;
  }

  /** Bytes held of an unfinished header or payload. */
  get pendingBytes(): number {
    return this.#head.collected.length + this.#payload.length;
  }

  /** Bytes allocated for the unfinished payload. */
  get capacity(): number {
    return this.#payload.capacity;
  }

  /** Whether a frame or SYNC has begun and is not complete. */
  get midFrame(): boolean {
    return this.#header !== null || this.#head.collected.length > 0;
  }

  /**
   * Starts to look for SYNC followed by WELCOME (from a guest) or HELLO (from a host). Both are delivered; unless
   * {@link accept} is called at the second, the search goes on behind it. Discarding more than the budget throws `no_sync`.
   */
  scan(budgetBytes: number = limits.syncDiscardBytes): void {
    this.#forget();
    this.#scanner.reset();
    this.#failure = null;
    this.#mode = "scan";
    this.#budget = budgetBytes;
  }

  /** Ends the search: what follows is read strictly. Call it while the generator stands at the awaited message. */
  accept(): void {
    this.#mode = "strict";
  }

  /** The frames that a chunk completes. Drain the generator: what it has not read of the chunk is lost otherwise. */
  *push(chunk: Uint8Array): Generator<Frame, void, undefined> {
    if (this.#failure !== null) throw this.#failure;
    for (let at = 0; at < chunk.length || this.#header?.length === 0;) {
      if (this.#mode === "scan") {
        const found = this.#scanner.find(chunk, at);
        const next = found === -1 ? chunk.length : found;
        this.#discard(next - at);
        at = next;
        if (found !== -1) this.#mode = "found";
        continue;
      }
      if (this.#header === null) {
        const synced = this.#readHead(chunk, at);
        at += this.#head.taken;
        if (synced) yield syncFrame;
        continue;
      }
      const { type, flags, stream, length } = this.#header;
      const payload = this.#payload.read(chunk, at, length);
      at += this.#payload.taken;
      if (payload === null) return;
      this.#header = null;
      if (this.#mode === "found") {
        this.#mode = "scan";
        this.#discard(limits.frameHeaderBytes + length);
        yield syncFrame;
      }
      yield { type, flags, stream, payload };
    }
  }

  /** Reads towards the next header; true when SYNC stood there and is to be delivered. */
  #readHead(chunk: Uint8Array, at: number): boolean {
    try {
      const head = this.#head.read(chunk, at);
      if (head === "sync") return this.#mode === "strict";
      if (head !== null && this.#mode === "found" && (head.type !== this.#answer || head.length > answerBytes)) {
        throw violation("no_sync", "SYNC is not followed by its message");
      }
      this.#header = head;
    } catch (error) {
      if (this.#mode === "strict") {
        this.#failure = error as Error;
        throw error;
      }
      // What looked like SYNC was content: the search goes on with the bytes that were taken for a header.
      const taken = this.#head.collected.slice();
      this.#forget();
      this.#mode = "scan";
      this.#scanner.find(taken, 0);
      this.#discard(taken.length);
    }
    return false;
  }

  #discard(bytes: number): void {
    this.#budget -= bytes;
    if (this.#budget >= 0) return;
    this.#failure = violation("no_sync", "SYNC did not come within the bytes that may be discarded");
    throw this.#failure;
  }

  #forget(): void {
    this.#header = null;
    this.#head.reset();
    this.#payload.reset();
  }
}
