import { open, type FileHandle } from "node:fs/promises";
import { constants } from "node:fs";
import { imageError } from "../errors.js";

/** Bytes that can be read at any place: a file of ours, a part of one, or memory. */
export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes from `offset`. @throws {BuildError} they are not all there */
  read(offset: number, length: number): Promise<Buffer>;
}

export function bytesOf(content: Buffer): ByteSource {
  return { size: content.length, read: (offset, length) => Promise.resolve(content.subarray(offset, offset + length)) };
}

export function part(source: ByteSource, start: number, size: number): ByteSource {
  return { size, read: (offset, length) => source.read(start + offset, length) };
}

/** A regular file, held open: neither a link at its end nor a pipe in its place is followed or waited for. */
export class OpenFile implements ByteSource {
  private constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
    readonly size: number,
  ) {}

  /** @throws {AssetNotFoundError} there is none, or it is no regular file */
  static async open(path: string): Promise<OpenFile> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
      throw imageError("not_found", `Cannot read ${path}: ${error.code ?? error.message}`, {
        hint: "Check the path; a symbolic link at its end is not followed",
        cause: error,
      });
    });
    const stat = await handle.stat();
    if (stat.isFile()) return new OpenFile(handle, path, stat.size);
    await handle.close();
    throw imageError("not_found", `Cannot read ${path}: it is no regular file`, { hint: "Name a file" });
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.handle.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) throw imageError("build", `Cannot read ${this.path}: it ends too early`);
      done += bytesRead;
    }
    return buffer;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

const chunkBytes = 1 << 20;

/** All of it, in order. */
export async function* chunksOf(source: ByteSource): AsyncGenerator<Buffer, void, undefined> {
  for (let offset = 0; offset < source.size; offset += chunkBytes) {
    yield await source.read(offset, Math.min(chunkBytes, source.size - offset));
  }
}
