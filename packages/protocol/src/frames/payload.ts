const nothing = new Uint8Array(0);
/** Where the buffer of a split payload starts; it doubles with what arrives and is never sized by the declared length. */
const firstAllocation = 4096;

/** Collects the payload of one frame: without a copy when it lies within a chunk, in a growing buffer otherwise. */
export class PayloadReader {
  #buffer: Uint8Array = nothing;
  #length = 0;
  /** Bytes of the last chunk that {@link read} took. */
  taken = 0;

  /** Bytes held of an unfinished payload. */
  get length(): number {
    return this.#length;
  }

  /** Bytes allocated for it; at most twice what arrived, or 4 KiB. */
  get capacity(): number {
    return this.#buffer.length;
  }

  reset(): void {
    this.#buffer = nothing;
    this.#length = 0;
  }

  /** The whole payload of `length` bytes, or null when more are needed. */
  read(chunk: Uint8Array, at: number, length: number): Uint8Array | null {
    const missing = length - this.#length;
    if (this.#length === 0 && chunk.length - at >= missing) {
      this.taken = missing;
      return chunk.subarray(at, at + missing);
    }
    const part = chunk.subarray(at, at + missing);
    this.taken = part.length;
    const needed = this.#length + part.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(length, Math.max(needed, this.#buffer.length * 2, firstAllocation)));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(part, this.#length);
    this.#length = needed;
    if (needed < length) return null;
    const payload = this.#buffer.subarray(0, length);
    this.reset();
    return payload;
  }
}
