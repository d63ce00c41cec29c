export type OutputStream = "stdout" | "stderr";

export interface RingChunk {
  readonly stream: OutputStream;
  readonly data: Uint8Array;
  /** Position just behind this chunk: read on from here. Bytes of both streams since the command began. */
  readonly cursor: number;
}

/** Where one stream's bytes end and the other's begin. */
interface Piece {
  readonly stream: OutputStream;
  /** Position just behind the piece. */
  end: number;
}

/** Changes between the streams that are remembered; one-byte writes that alternate must not cost more than their bytes. */
const maxPieces = 4_096;

/**
 * The last bytes a process wrote, both streams in the order they came. A reader that is too late for some of them is
 * told how many it lost, never given others in their place. One buffer for everything: a flood allocates nothing.
 */
export class OutputRing {
  private buffer = new Uint8Array(0);
  private pieces: Piece[] = [];
  private first = 0;
  private position = 0;
  private start = 0;

  /** @param capacity bytes kept */
  constructor(private readonly capacity: number) {}

  /** Position behind the newest byte. */
  get cursor(): number {
    return this.position;
  }

  /** Position of the oldest byte still held. */
  get oldest(): number {
    return this.start;
  }

  push(stream: OutputStream, data: Uint8Array): void {
    if (data.byteLength === 0) return;
    this.grow(Math.min(this.capacity, this.position - this.start + data.byteLength));
    const kept = data.byteLength > this.capacity ? data.subarray(data.byteLength - this.capacity) : data;
    this.position += data.byteLength;
    this.copyIn(kept, this.position - kept.byteLength);
    this.note(stream);
    this.start = Math.max(this.start, this.position - this.capacity);
    while ((this.pieces[this.first]?.end ?? Infinity) <= this.start) this.first += 1;
    if (this.first > 64 && this.first > this.pieces.length / 2) {
      this.pieces = this.pieces.slice(this.first);
      this.first = 0;
    }
  }

  /** Everything held from `cursor` on, and how many bytes between it and the first chunk are lost. Copies. */
  since(cursor: number): { lostBytes: number; chunks: RingChunk[] } {
    const from = Math.max(cursor, this.start);
    // A reader at the end, the usual one, is served without walking over what it has.
    let at = this.pieces.length;
    while (at > this.first && (this.pieces[at - 1]?.end ?? 0) > from) at -= 1;
    const chunks: RingChunk[] = [];
    let begin = from;
    for (const { stream, end } of this.pieces.slice(at)) {
      chunks.push({ stream, data: this.copyOut(begin, end), cursor: end });
      begin = end;
    }
    return { lostBytes: Math.max(0, this.start - cursor), chunks };
  }

  private note(stream: OutputStream): void {
    const last = this.pieces.at(-1);
    if (last?.stream === stream && this.pieces.length > this.first) last.end = this.position;
    else this.pieces.push({ stream, end: this.position });
    if (this.pieces.length - this.first <= maxPieces) return;
    this.start = Math.max(this.start, this.pieces[this.first]?.end ?? 0);
    this.first += 1;
  }

  /** The buffer grows to the capacity as it fills; only a full one wraps. */
  private grow(needed: number): void {
    if (needed <= this.buffer.byteLength) return;
    const held = this.copyOut(this.start, this.position);
    const grown = new Uint8Array(Math.min(this.capacity, Math.max(needed, this.buffer.byteLength * 2, 4096)));
    this.buffer = grown;
    this.copyIn(held, this.start);
  }

  private copyIn(data: Uint8Array, position: number): void {
    const at = position % this.buffer.byteLength;
    const fits = this.buffer.byteLength - at;
    this.buffer.set(data.subarray(0, fits), at);
    if (data.byteLength > fits) this.buffer.set(data.subarray(fits), 0);
  }

  private copyOut(begin: number, end: number): Uint8Array {
    const out = new Uint8Array(end - begin);
    if (out.byteLength === 0) return out;
    const at = begin % this.buffer.byteLength;
    const head = this.buffer.subarray(at, at + out.byteLength);
    out.set(head);
    out.set(this.buffer.subarray(0, out.byteLength - head.byteLength), head.byteLength);
    return out;
  }
}
