import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import type { KeyObject } from "node:crypto";
import { Value } from "@sinclair/typebox/value";
import { isSandboxError, type SnapshotPart } from "@mvm/protocol";
import { type Entry, extract } from "tar-stream";
import type { Backend } from "../../backends/backend.js";
import { chunkBytes, digestFile } from "../digest.js";
import { ExportKey, parsePublicKey, signedBy, spki } from "./export-key.js";
import {
  badArchive,
  chunkLength,
  chunkName,
  contentsMaxBytes,
  contentsName,
  type ContentsPart,
  signatureMaxBytes,
  SignatureSchema,
  signatureName,
} from "./format.js";

const inflate = promisify(inflateRaw);

export interface ReadOptions {
  /** This state root's own pair, made on first need. */
  readonly keyPath: string;
  /** Public key to trust besides. */
  readonly key?: string | undefined;
  readonly signal: AbortSignal;
}

/** What comes after the contents of an archive that is believed. */
export interface ArchiveParts {
  /**
   * Writes the parts into a directory and compares them with their digests; the archive must end after them. Nothing else is
   * written, whatever its entries are called.
   */
  receive(
    parts: readonly ContentsPart[],
    directory: string,
    backend: Pick<Backend, "dataRanges">,
  ): Promise<SnapshotPart[]>;
}

/**
 * Reads an archive. Nothing but its contents and signature is read before the signature is believed; every entry must be the
 * one that comes next, so no name of the archive ever becomes a path.
 * @param take given the bytes of the contents, which a trusted key signed
 * @throws {SnapshotMismatchError | InvalidArgumentError} or the signal's reason
 */
export async function readArchive<T>(
  archive: Readable,
  { keyPath, key, signal }: ReadOptions,
  take: (contents: Buffer, rest: ArchiveParts) => Promise<T>,
): Promise<T> {
  const trusted = [ExportKey.open(keyPath).publicKey];
  if (key !== undefined) trusted.push(parsePublicKey(key));
  const entries = new Entries(archive, signal);
  try {
    const bytes = await entries.next(contentsName, contentsMaxBytes);
    requireTrusted(bytes, await entries.next(signatureName, signatureMaxBytes), trusted);
    return await take(bytes, {
      receive: async (parts, directory, backend) => {
        for (const part of parts) await receive(entries, part, directory);
        await entries.end();
        return await compare(parts, directory, backend, signal);
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    entries.close();
  }
}

function requireTrusted(contents: Buffer, text: Buffer, trusted: readonly KeyObject[]): void {
  let value: unknown;
  try {
    value = JSON.parse(text.toString("utf8"));
  } catch {
    throw badArchive("it is not signed");
  }
  if (!Value.Check(SignatureSchema, value)) throw badArchive("it is not signed");
  const key = trusted.find((candidate) => spki(candidate) === value.public_key);
  if (key === undefined) {
    throw badArchive("it is signed with a key that is not trusted here; give the public key of the host it comes from");
  }
  if (!signedBy(key, contents, value.signature)) throw badArchive("its signature is not of these contents");
}

/** Writes a part's chunks at their places; what is not there are zeros. */
async function receive(entries: Entries, { name, bytes, chunks }: ContentsPart, directory: string): Promise<void> {
  const file = await open(join(directory, name), "wx", 0o600);
  try {
    await file.truncate(bytes);
    for (const index of chunks) {
      const length = chunkLength(bytes, index);
      const packed = await entries.next(chunkName(name, index), deflatedMaxBytes);
      const chunk = await inflate(packed, { maxOutputLength: length }).catch(() => undefined);
      if (chunk?.length !== length) throw badArchive(`a chunk of its part "${name}" has not its length`);
      await file.write(chunk, 0, length, index * chunkBytes);
    }
  } finally {
    await file.close();
  }
}

/** Most that a deflated chunk can take. Bytes. */
const deflatedMaxBytes = chunkBytes + 64 * 1024;

async function compare(
  parts: readonly ContentsPart[],
  directory: string,
  backend: Pick<Backend, "dataRanges">,
  signal: AbortSignal,
): Promise<SnapshotPart[]> {
  const compared: SnapshotPart[] = [];
  for (const { name, bytes, sha256 } of parts) {
    const ranges = (file: string): ReturnType<Backend["dataRanges"]> => backend.dataRanges(file);
    const part = await digestFile(join(directory, name), name, ranges, signal);
    if (part.bytes !== bytes || part.sha256 !== sha256) throw badArchive(`its part "${name}" has not its digest`);
    compared.push(part);
  }
  return compared;
}

/** The archive's entries, one after the other, each of the name and below the size that is expected. */
class Entries {
  private readonly tar = extract();
  private readonly iterator = this.tar[Symbol.asyncIterator]();
  private readonly abort = (): void => void this.tar.destroy(new Error("aborted"));

  constructor(
    private readonly from: Readable,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener("abort", this.abort, { once: true });
    from.on("error", (error) => this.tar.destroy(error)).on("close", () => from.readableEnded || this.abort());
    this.tar.on("error", () => undefined);
    from.pipe(this.tar);
  }

  async next(name: string, maxBytes: number): Promise<Buffer> {
    try {
      const { value, done } = (await this.iterator.next()) as IteratorResult<Entry, undefined>;
      if (done === true) throw badArchive(`it ends before "${name}"`);
      const { header } = value;
      if (header.type !== "file" || header.name !== name) {
        throw badArchive(`"${name}" is expected, it has ${JSON.stringify(String(header.name).slice(0, 80))}`);
      }
      if ((header.size ?? 0) > maxBytes) throw badArchive(`"${name}" is too large`);
      const chunks: Buffer[] = [];
      for await (const chunk of value) chunks.push(chunk);
      return Buffer.concat(chunks);
    } catch (error) {
      if (isSandboxError(error)) throw error;
      throw badArchive("it is damaged or cut short");
    }
  }

  async end(): Promise<void> {
    const { done } = await this.iterator.next().catch(() => {
      throw badArchive("it is damaged or cut short");
    });
    if (done !== true) throw badArchive("it has more than its contents say");
  }

  close(): void {
    this.signal.removeEventListener("abort", this.abort);
    this.from.unpipe(this.tar);
    this.tar.destroy();
  }
}
