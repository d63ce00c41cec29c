import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { isSandboxError } from "@mvm/protocol/errors";
import { imageError } from "../errors.js";
import { type ByteSource, chunksOf } from "./byte-source.js";
import { mismatch } from "./documents.js";
import { unzstd, ZstdError } from "./zstd.js";

/** Digests of a layer as it came and without its compression. */
export interface LayerDigests {
  readonly digest: string;
  readonly diffId: string;
  readonly bytes: number;
}

/** The first four bytes of a zstd stream: a frame, or one that is to be skipped. */
const zstdMagic = /^(28b52ffd|5[0-9a-f]2a4d18)$/;

/**
 * Writes a layer's tar to a file of ours, hashing it on both sides of its compression, and checks both digests before anything
 * reads the tar.
 * @param room bytes the tar may have: a few kilobytes can hold gigabytes of zeros
 * @throws {AssetChecksumError | BuildError}
 */
export async function decompressLayer(
  source: ByteSource,
  wanted: { digest: string | null; diffId: string | null; what: string },
  output: string,
  room: number,
  signal: AbortSignal,
): Promise<LayerDigests> {
  const { what } = wanted;
  const magic = (await source.read(0, Math.min(4, source.size))).toString("hex");
  const before = createHash("sha256");
  const after = createHash("sha256");
  const raw = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of chunksOf(source)) {
      before.update(chunk);
      yield chunk;
    }
  };
  let bytes = 0;
  let full: Error | undefined;
  const file = await open(output, "wx", 0o600);
  try {
    const write = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        if (bytes > room) throw (full = tooLarge(what));
        after.update(chunk);
        await file.write(chunk);
      }
    };
    const stages = magic.startsWith("1f8b") ? [createGunzip()] : zstdMagic.test(magic) ? [unzstd] : [];
    await pipeline([Readable.from(raw()), ...stages, write] as never, { signal });
  } catch (error) {
    signal.throwIfAborted();
    // The pipeline may report only that its other stages were ended.
    if (full !== undefined) throw full;
    const damaged = error instanceof ZstdError || String((error as NodeJS.ErrnoException).code).startsWith("Z_");
    if (!damaged || isSandboxError(error)) throw error;
    const why = error instanceof ZstdError ? `: ${error.message}` : "";
    throw imageError("checksum", `Cannot use ${what}: the compression of a layer is damaged${why}`, { cause: error });
  } finally {
    await file.close();
  }
  const digest = `sha256:${before.digest("hex")}`;
  const diffId = `sha256:${after.digest("hex")}`;
  if (wanted.digest !== null && wanted.digest !== digest) throw mismatch(`a layer of ${what}`, wanted.digest, digest);
  if (wanted.diffId !== null && wanted.diffId !== diffId) throw mismatch(`a layer of ${what}`, wanted.diffId, diffId);
  return { digest, diffId, bytes };
}

function tooLarge(what: string): Error {
  return imageError("build", `Cannot use ${what}: its layers have more bytes, decompressed, than an image may have`, {
    hint: "Use a smaller image",
  });
}
