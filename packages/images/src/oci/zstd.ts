import { Decompress } from "fzstd";
import { ZstdFrames } from "./zstd-frames.js";

/** A block is at least 3 bytes and holds up to 128 KiB: so much is decompressed before anybody may say that it is enough. Bytes. */
const sliceBytes = 1024;
/** Blocks cost time however little they hold: as many as these are taken, and one more for every so many bytes. */
const freeBlocks = 10_000;
const bytesPerBlock = 1024;

/** The stream is not zstd, is damaged, or is made to cost more than its contents are worth. */
export class ZstdError extends Error {}

/**
 * Decompresses zstd piece by piece; what comes out at once is at most some 40 MiB, and the next piece is read when it is taken.
 * Node has no zstd of its own before version 22.
 * @throws {ZstdError}
 */
export async function* unzstd(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const frames = new ZstdFrames();
  let made: Buffer[] = [];
  let bytes = 0;
  let blocks = 0;
  const decoder = new Decompress((block) => {
    bytes += block.length;
    if (++blocks > freeBlocks + bytes / bytesPerBlock) throw new Error("its blocks hold next to nothing");
    if (block.length > 0) made.push(Buffer.from(block));
  });
  const feed = (slice: Buffer, last: boolean): Buffer[] => {
    try {
      frames.feed(slice);
      if (last) frames.end();
      decoder.push(slice, last);
    } catch (cause) {
      throw new ZstdError(cause instanceof Error ? cause.message : "it is damaged", { cause });
    }
    const out = made;
    made = [];
    return out;
  };
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += sliceBytes) yield* feed(chunk.subarray(at, at + sliceBytes), false);
  }
  yield* feed(Buffer.alloc(0), true);
}
