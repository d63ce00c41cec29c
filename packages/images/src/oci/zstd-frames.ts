/** What a decoder must be able to keep of what it has written, by RFC 8878; what makes images uses no more. Bytes. */
const windowMaxBytes = 8 * 1024 * 1024;
/** Most that one block may hold, in either form. Bytes. */
const blockMaxBytes = 128 * 1024;
const magic = 0xfd2fb528;

type Wanted = { readonly take: number } | { readonly skip: number };

/**
 * Walks over the frames and blocks of a zstd stream (RFC 8878) without decoding them, ahead of what decodes them: a frame of a
 * few bytes can ask for gigabytes of memory.
 */
export class ZstdFrames {
  private readonly walk = frames();
  private wanted = this.walk.next().value as Wanted;
  private held: Buffer = Buffer.alloc(0);
  private skipping = 0;
  private between = true;

  /** @throws {Error} it is not zstd, or asks for more than is allowed */
  feed(chunk: Buffer): void {
    let rest = chunk;
    for (;;) {
      if (this.skipping > 0) {
        const over = Math.min(this.skipping, rest.length);
        rest = rest.subarray(over);
        this.skipping -= over;
        if (this.skipping > 0) return;
        this.next(Buffer.alloc(0));
      } else if ("skip" in this.wanted) {
        this.skipping = this.wanted.skip;
        if (this.skipping === 0) this.next(Buffer.alloc(0));
      } else {
        const { take } = this.wanted;
        const missing = take - this.held.length;
        this.held = Buffer.concat([this.held, rest.subarray(0, missing)]);
        this.between &&= this.held.length === 0;
        rest = rest.subarray(missing);
        if (this.held.length < take) return;
        const taken = this.held;
        this.held = Buffer.alloc(0);
        this.next(taken);
      }
    }
  }

  /** @throws {Error} the stream ends within a frame */
  end(): void {
    if (!this.between) throw new Error("it is cut short");
  }

  private next(taken: Buffer): void {
    const { value } = this.walk.next(taken);
    this.between = value === "frame";
    this.wanted = value === "frame" ? { take: 4 } : value;
  }
}

function* frames(): Generator<Wanted | "frame", never, Buffer> {
  let start = yield { take: 4 };
  for (;;) {
    const kind = start.readUInt32LE();
    // What is not data, such as the table of contents that some layers end with.
    if (kind >>> 4 === 0x184d2a5) yield { skip: (yield { take: 4 }).readUInt32LE() };
    else if (kind === magic) yield* frame();
    else throw new Error("it is not zstd");
    start = yield "frame";
  }
}

function* frame(): Generator<Wanted, void, Buffer> {
  const flags = (yield { take: 1 }).readUInt8();
  const single = (flags & 0x20) !== 0;
  if ((flags & 0x08) !== 0) throw new Error("a reserved bit is set");
  if ((flags & 0x03) !== 0) throw new Error("it needs a dictionary");
  const descriptor = single ? 0 : (yield { take: 1 }).readUInt8();
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  const size = sizeBytes === 0 ? Buffer.alloc(8) : Buffer.concat([yield { take: sizeBytes }, Buffer.alloc(8)]);
  const base = 2 ** (10 + (descriptor >> 3));
  const window = single
    ? Number(size.readBigUInt64LE()) + (sizeBytes === 2 ? 256 : 0)
    : base + (base / 8) * (descriptor & 7);
  if (window > windowMaxBytes) throw new Error(`it needs ${window} bytes of memory, and ${windowMaxBytes} are allowed`);
  for (let last = false; !last;) {
    const header = (yield { take: 3 }).readUIntLE(0, 3);
    const type = (header >> 1) & 3;
    const bytes = header >> 3;
    if (type === 3 || bytes > blockMaxBytes) throw new Error("a block has no valid header");
    // One byte stands for all of a block of type 1.
    yield { skip: type === 1 ? 1 : bytes };
    last = (header & 1) === 1;
  }
  if ((flags & 0x04) !== 0) yield { skip: 4 };
}
