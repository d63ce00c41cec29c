import { type FileHandle, open } from "node:fs/promises";
import { constants } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { deflateRaw } from "node:zlib";
import type { SnapshotPart } from "@mvm/protocol";
import { pack, type Pack } from "tar-stream";
import type { Backend } from "../../backends/backend.js";
import { stableJson } from "../../store/stable-json.js";
import { chunkBytes, type DataRange } from "../digest.js";
import { ExportKey } from "./export-key.js";
import {
  archiveDigest,
  chunkLength,
  chunkName,
  contentsName,
  type ContentsPart,
  signatureName,
  type SnapshotContents,
  type TemplateContents,
} from "./format.js";

const deflate = promisify(deflateRaw);

export interface PreparedArchive {
  /** `sha256:…`: names the archive wherever it goes. */
  readonly digest: string;
  /** Writes the archive; rejects, and breaks it off, when a file cannot be read to its end. */
  write(to: Writable): Promise<void>;
}

/**
 * Signs what will be in an archive. Only chunks that hold data are in it, deflated, so that its size is that of the data.
 * @param keyPath the pair to sign with, made on first need
 */
export function prepareArchive(
  keyPath: string,
  directory: string,
  contents: SnapshotContents | TemplateContents,
  signal: AbortSignal,
): PreparedArchive {
  const bytes = Buffer.from(stableJson(contents));
  const signature = ExportKey.open(keyPath).sign(bytes);
  const write = async (to: Writable): Promise<void> => {
    const archive = pack();
    const filling = fill(archive, directory, contents.parts, bytes, JSON.stringify(signature));
    // Whichever breaks takes the other with it.
    filling.catch((error: Error) => archive.destroy(error));
    await Promise.all([pipeline(archive, to, { signal }), filling]);
  };
  return { digest: archiveDigest(bytes), write };
}

/** The parts of a directory with the chunks of them that hold data. */
export async function withChunks(
  directory: string,
  parts: readonly SnapshotPart[],
  backend: Backend,
): Promise<ContentsPart[]> {
  const chunked: ContentsPart[] = [];
  for (const part of parts) {
    chunked.push({ ...part, chunks: usedChunks(await backend.dataRanges(join(directory, part.name))) });
  }
  return chunked;
}

function usedChunks(ranges: readonly DataRange[]): number[] {
  const used = new Set<number>();
  for (const { start, length } of ranges) {
    for (let at = Math.floor(start / chunkBytes); at * chunkBytes < start + length; at++) used.add(at);
  }
  return [...used].sort((a, b) => a - b);
}

async function fill(
  archive: Pack,
  directory: string,
  parts: readonly ContentsPart[],
  bytes: Buffer,
  signature: string,
): Promise<void> {
  await entry(archive, contentsName, bytes);
  await entry(archive, signatureName, Buffer.from(signature));
  for (const part of parts) {
    const file = await open(join(directory, part.name), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for (const index of part.chunks) {
        const chunk = await readChunk(file, index, chunkLength(part.bytes, index));
        await entry(archive, chunkName(part.name, index), await deflate(chunk, { level: 1 }));
      }
    } finally {
      await file.close();
    }
  }
  archive.finalize();
}

/** Resolves when the archive takes more: at most one chunk waits in memory. */
function entry(archive: Pack, name: string, content: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.once("close", onClose);
    // All archives of a snapshot are alike: no time, no owner.
    archive.entry({ name, size: content.length, mode: 0o600, mtime: new Date(0) }, content, (error) => {
      archive.off("close", onClose);
      if (error) reject(error);
      else resolve();
    });
    function onClose(): void {
      reject(new Error("the archive was broken off"));
    }
  });
}

async function readChunk(file: FileHandle, index: number, length: number): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(length);
  for (let at = 0; at < length;) {
    const { bytesRead } = await file.read(chunk, at, length - at, index * chunkBytes + at);
    if (bytesRead === 0) throw new Error("the file was cut short while it was read");
    at += bytesRead;
  }
  return chunk;
}
