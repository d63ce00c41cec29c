import { limits } from "../limits.js";
import { type Frame, MORE } from "./frame.js";
import { parseMessage } from "./json.js";
import { violation } from "./violation.js";

interface Unfinished {
  buffer: Uint8Array;
  bytes: number;
}

/** What all unfinished messages may hold together: 1 024 streams must not add up to 4 GiB. */
const heldLimit = 16 * limits.messageBytes;

/**
 * Joins the frames of JSON messages that were split with `MORE`, per stream. One instance per session and direction.
 * Its memory is at most twice what arrived, and 128 MiB.
 */
export class MessageAssembler {
  readonly #unfinished = new Map<number, Unfinished>();
  #held = 0;

  /** Bytes held of unfinished messages. */
  get pendingBytes(): number {
    return this.#held;
  }

  /** The message that the frame completes, or undefined. Throws a `PROTOCOL_VIOLATION`. */
  push(frame: Frame): { readonly message: unknown } | undefined {
    const more = (frame.flags & MORE) !== 0;
    const before = this.#unfinished.get(frame.stream);
    if (!more && before === undefined) return { message: parseMessage(frame.payload) };
    if (more && frame.payload.length === 0) throw violation("bad_length", "a part of a message is empty");
    const state = before ?? { buffer: new Uint8Array(frame.payload.length), bytes: 0 };
    const bytes = state.bytes + frame.payload.length;
    if (bytes > limits.messageBytes || this.#held + frame.payload.length > heldLimit) {
      throw violation("too_large", `a message in parts has ${bytes} bytes`, { stream: frame.stream });
    }
    if (bytes > state.buffer.length) {
      const grown = new Uint8Array(Math.max(bytes, state.buffer.length * 2));
      grown.set(state.buffer.subarray(0, state.bytes));
      state.buffer = grown;
    }
    state.buffer.set(frame.payload, state.bytes);
    state.bytes = bytes;
    this.#held += frame.payload.length;
    this.#unfinished.set(frame.stream, state);
    if (more) return undefined;
    this.drop(frame.stream);
    return { message: parseMessage(state.buffer.subarray(0, bytes)) };
  }

  /** Forgets an unfinished message, for a stream that is closed. */
  drop(stream: number): void {
    this.#held -= this.#unfinished.get(stream)?.bytes ?? 0;
    this.#unfinished.delete(stream);
  }

  /** Forgets everything, for a new session. */
  clear(): void {
    this.#unfinished.clear();
    this.#held = 0;
  }
}
