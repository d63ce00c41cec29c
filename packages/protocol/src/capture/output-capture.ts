import { characterEnd, characterStart } from "./utf8.js";

/** What was kept of one output stream. */
export interface CapturedOutput {
  /** Decoded; bytes that are not UTF-8 are U+FFFD. Holds the marker where bytes were left out. */
  readonly text: string;
  /** Base64 of the kept bytes with the marker, when they are not valid UTF-8; undefined otherwise. */
  readonly base64: string | undefined;
  /** Bytes that were written, kept or not. */
  readonly bytes: number;
  readonly truncated: boolean;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenientUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** What stands between head and tail in place of that many bytes. */
export function omissionMarker(bytes: number): string {
  return `\n… [${bytes} bytes omitted] …\n`;
}

/**
 * Keeps the head and the tail of an output of any length in bounded memory: everything up to `limit` bytes, and for
 * more the first and the last half of it with a marker between. Cuts never divide a character of valid UTF-8.
 */
export class OutputCapture {
  readonly #limit: number;
  readonly #headLimit: number;
  /** Grows with what arrives up to the head's limit. */
  #head = new Uint8Array(0);
  #headLength = 0;
  /** Ring of the last bytes behind the head. */
  #tail = new Uint8Array(0);
  #tailLength = 0;
  #tailAt = 0;
  #bytes = 0;

  /** `limit` is in bytes; 0 keeps nothing and counts. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#headLimit = Math.ceil(limit / 2);
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the next bytes; they are copied. */
  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    const forHead = Math.min(chunk.length, this.#headLimit - this.#headLength);
    if (forHead > 0) {
      this.#head = grow(this.#head, this.#headLength, this.#headLength + forHead, this.#headLimit);
      this.#head.set(chunk.subarray(0, forHead), this.#headLength);
      this.#headLength += forHead;
    }
    if (forHead < chunk.length) this.#pushTail(chunk.subarray(forHead));
  }

  #pushTail(bytes: Uint8Array): void {
    const capacity = this.#limit - this.#headLimit;
    if (capacity === 0) return;
    const kept = bytes.length > capacity ? bytes.subarray(bytes.length - capacity) : bytes;
    if (this.#tail.length < capacity) {
      // Until the ring is full sized it is not wrapped, so growing keeps the order.
      const needed = Math.min(capacity, this.#tailLength + kept.length);
      this.#tail = grow(this.#tail, this.#tailLength, needed, capacity);
      if (this.#tailLength + kept.length <= this.#tail.length) {
        this.#tail.set(kept, this.#tailLength);
        this.#tailLength += kept.length;
        this.#tailAt = this.#tailLength % capacity;
        return;
      }
    }
    const first = Math.min(kept.length, capacity - this.#tailAt);
    this.#tail.set(kept.subarray(0, first), this.#tailAt);
    this.#tail.set(kept.subarray(first), 0);
    this.#tailAt = (this.#tailAt + kept.length) % capacity;
    this.#tailLength = Math.min(capacity, this.#tailLength + kept.length);
  }

  #tailBytes(): Uint8Array {
    const ordered = new Uint8Array(this.#tailLength);
    const capacity = this.#limit - this.#headLimit;
    const start = this.#tailLength < capacity ? 0 : this.#tailAt;
    const first = this.#tail.subarray(start, Math.min(this.#tail.length, start + this.#tailLength));
    ordered.set(first);
    ordered.set(this.#tail.subarray(0, this.#tailLength - first.length), first.length);
    return ordered;
  }

  /** What is kept now. May be called more than once. */
  result(): CapturedOutput {
    const truncated = this.#bytes > this.#limit;
    if (this.#limit === 0) return { text: "", base64: undefined, bytes: this.#bytes, truncated };
    let head: Uint8Array = this.#head.subarray(0, this.#headLength);
    let tail = this.#tailBytes();
    let between = new Uint8Array(0);
    if (truncated) {
      head = head.subarray(0, characterEnd(head));
      tail = tail.subarray(characterStart(tail));
      between = new TextEncoder().encode(omissionMarker(this.#bytes - head.length - tail.length));
    }
    const kept = concat([head, between, tail]);
    try {
      return { text: strictUtf8.decode(kept), base64: undefined, bytes: this.#bytes, truncated };
    } catch {
      return { text: lenientUtf8.decode(kept), base64: toBase64(kept), bytes: this.#bytes, truncated };
    }
  }
}

function grow(buffer: Uint8Array<ArrayBuffer>, used: number, needed: number, most: number): Uint8Array<ArrayBuffer> {
  if (needed <= buffer.length) return buffer;
  const grown = new Uint8Array(Math.min(most, Math.max(needed, buffer.length * 2, 1024)));
  grown.set(buffer.subarray(0, used));
  return grown;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
