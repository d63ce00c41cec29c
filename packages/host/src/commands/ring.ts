export type OutputStream = "stdout" | "stderr";

export interface RingChunk {
  readonly stream: OutputStream;
  readonly data: Buffer;
  /** Position just behind this chunk: read on from here. Bytes of both streams since the command began. */
  readonly cursor: number;
}

/** What keeping one chunk costs besides its bytes; a flood of one-byte writes is bounded too. Bytes, roughly. */
const chunkOverhead = 128;

/**
 * The last bytes a process wrote, both streams in the order they came. A reader that is too late for some of them is
 * told how many it lost, never given others in their place.
 */
export class OutputRing {
  private chunks: RingChunk[] = [];
  private first = 0;
  private cost = 0;
  private position = 0;

  /** @param capacity bytes kept, bookkeeping included; of a single larger chunk the end is kept */
  constructor(private readonly capacity: number) {}

  /** Position behind the newest byte. */
  get cursor(): number {
    return this.position;
  }

  /** Position of the oldest byte still held. */
  get oldest(): number {
    const chunk = this.chunks[this.first];
    return chunk === undefined ? this.position : chunk.cursor - chunk.data.byteLength;
  }

  push(stream: OutputStream, data: Uint8Array): RingChunk {
    this.position += data.byteLength;
    // A copy: the chunk must not keep the channel's larger buffer alive.
    const kept = Buffer.from(data.subarray(Math.max(0, data.byteLength - this.capacity)));
    const chunk = { stream, data: kept, cursor: this.position };
    this.chunks.push(chunk);
    this.cost += kept.byteLength + chunkOverhead;
    while (this.cost > this.capacity && this.first < this.chunks.length - 1) {
      this.cost -= (this.chunks[this.first++]?.data.byteLength ?? 0) + chunkOverhead;
    }
    if (this.first > this.chunks.length / 2) {
      this.chunks = this.chunks.slice(this.first);
      this.first = 0;
    }
    return chunk;
  }

  /** Everything held from `cursor` on, and how many bytes between it and the first chunk are lost. */
  since(cursor: number): { lostBytes: number; chunks: RingChunk[] } {
    // A reader at the end, the usual one, is served without walking over what it has.
    let from = this.chunks.length;
    while (from > this.first && (this.chunks[from - 1]?.cursor ?? 0) > cursor) from -= 1;
    const chunks = this.chunks.slice(from).map((chunk) => {
      const start = chunk.cursor - chunk.data.byteLength;
      return start >= cursor ? chunk : { ...chunk, data: chunk.data.subarray(cursor - start) };
    });
    return { lostBytes: Math.max(0, this.oldest - cursor), chunks };
  }
}
