import { limits } from "../limits.js";
import { frameMagic, type Sender } from "./frame.js";
import { type Header, readHeader } from "./header.js";
import { syncBytes } from "./sync.js";
import { violation } from "./violation.js";

/** Collects what stands where a header may: a header or SYNC, however the bytes are split. */
export class HeadReader {
  readonly #from: Sender;
  readonly #bytes = new Uint8Array(syncBytes.length);
  #length = 0;
  /** Bytes of the last chunk that {@link read} took. */
  taken = 0;

  constructor(from: Sender) {
    this.#from = from;
  }

  /** Bytes of an unfinished header or SYNC; after a violation, those that violate. */
  get collected(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
  }

  /** A checked header, `sync`, or null when more bytes are needed. Throws a `PROTOCOL_VIOLATION`. */
  read(chunk: Uint8Array, at: number): Header | "sync" | null {
    this.taken = 0;
    if (this.#length === 0 && chunk[at] === frameMagic && chunk.length - at >= limits.frameHeaderBytes) {
      this.taken = limits.frameHeaderBytes;
      try {
        return readHeader(chunk, at, this.#from);
      } catch (error) {
        this.#bytes.set(chunk.subarray(at, at + this.taken));
        this.#length = this.taken;
        throw error;
      }
    }
    while (at + this.taken < chunk.length) {
      const byte = chunk[at + this.taken++] as number;
      this.#bytes[this.#length++] = byte;
      if (this.#bytes[0] === syncBytes[0]) {
        if (byte !== syncBytes[this.#length - 1])
          throw violation("bad_sync", "bytes begin like SYNC and go on otherwise");
        if (this.#length < syncBytes.length) continue;
        this.#length = 0;
        return "sync";
      }
      if (this.#bytes[0] !== frameMagic) throw violation("bad_magic", `a frame begins with the byte ${byte}`);
      if (this.#length === limits.frameHeaderBytes) {
        const header = readHeader(this.#bytes, 0, this.#from);
        this.#length = 0;
        return header;
      }
    }
    return null;
  }
}
