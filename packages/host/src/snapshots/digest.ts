import { createHash, webcrypto } from "node:crypto";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import type { SnapshotPart } from "@mvm/protocol";

/** A range of a file that holds data; what lies between reads as zeros. Bytes. */
export interface DataRange {
  readonly start: number;
  readonly length: number;
}

/** The file is cut into chunks of this size, the last one shorter. Bytes; part of the format. */
export const chunkBytes = 4 * 1024 * 1024;
/** Chunks hashed at once; the hash runs on libuv's threads. */
const chunksAtOnce = 2;
const domain = Buffer.from("mvm-tree-v1\0", "latin1");

/**
 * Digest of a large sparse file: SHA-256 over a domain string, the size and the SHA-256 of every chunk, in order. Chunks without
 * data are not read, so that the cost is that of the data. Documented in docs/snapshots.md.
 * @param ranges every byte outside of them must be zero: they come from the file system, never from a record
 */
export async function digestFile(
  path: string,
  name: string,
  ranges: (path: string) => Promise<readonly DataRange[]>,
  signal?: AbortSignal,
): Promise<SnapshotPart> {
  // A FIFO in its place must not make the daemon wait for its other end.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const at = await file.stat();
    if (!at.isFile()) throw new Error("it is not a plain file");
    const { size } = at;
    const chunks = await digestChunks(file, size, await ranges(path), signal);
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(size));
    const root = createHash("sha256").update(domain).update(length);
    for (const chunk of chunks) root.update(chunk);
    return { name, bytes: size, sha256: root.digest("hex") };
  } finally {
    await file.close();
  }
}

async function digestChunks(
  file: FileHandle,
  size: number,
  ranges: readonly DataRange[],
  signal: AbortSignal | undefined,
): Promise<Uint8Array[]> {
  const count = Math.ceil(size / chunkBytes);
  const used = new Uint8Array(count);
  for (const { start, length } of ranges) {
    if (length > 0) used.fill(1, Math.floor(start / chunkBytes), Math.ceil((start + length) / chunkBytes));
  }
  const digests = new Array<Uint8Array>(count);
  const zeros = new Map<number, Uint8Array>();
  let next = 0;
  const worker = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, size));
    for (let index = next++; index < count; index = next++) {
      signal?.throwIfAborted();
      const length = Math.min(chunkBytes, size - index * chunkBytes);
      digests[index] =
        used[index] === 0 ? await zeroDigest(zeros, length) : await readDigest(file, index, buffer.subarray(0, length));
    }
  };
  const workers: Promise<void>[] = [];
  for (let n = 0; n < chunksAtOnce; n++) workers.push(worker());
  await Promise.all(workers);
  return digests;
}

async function readDigest(file: FileHandle, index: number, chunk: Buffer): Promise<Uint8Array> {
  for (let at = 0; at < chunk.length;) {
    const { bytesRead } = await file.read(chunk, at, chunk.length - at, index * chunkBytes + at);
    if (bytesRead === 0) throw new Error("the file was cut short while it was read");
    at += bytesRead;
  }
  return await sha256(chunk);
}

async function zeroDigest(known: Map<number, Uint8Array>, length: number): Promise<Uint8Array> {
  let digest = known.get(length);
  if (digest === undefined) known.set(length, (digest = await sha256(Buffer.alloc(length))));
  return digest;
}

async function sha256(bytes: Buffer): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.digest("SHA-256", bytes));
}
