import { chmod, open } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import type { KeyObject } from "node:crypto";
import { Value } from "@sinclair/typebox/value";
import { type Entry, extract } from "tar-stream";
import { isSandboxError, newId, type SnapshotInfo } from "@mvm/protocol";
import type { Backend } from "../../backends/backend.js";
import type { Services } from "../../sandboxes/services.js";
import { chunkBytes, digestFile } from "../digest.js";
import { backendOf, requireFitting } from "../restore.js";
import { envPart, snapshotParts, syncPath } from "../save.js";
import { ExportKey, parsePublicKey, signedBy, spki } from "./export-key.js";
import {
  archiveDigest,
  badArchive,
  chunkLength,
  chunkName,
  type Contents,
  contentsMaxBytes,
  contentsName,
  type ContentsPart,
  parseContents,
  signatureMaxBytes,
  SignatureSchema,
  signatureName,
} from "./format.js";

const inflate = promisify(inflateRaw);

export interface ImportOptions {
  /** @default the name it was exported with */
  readonly name?: string | undefined;
  /** Public key to trust besides this state root's own. */
  readonly key?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Reads an exported snapshot. Nothing but its contents and signature is read before both are believed and this host is known to
 * fit; every entry must be the one that comes next, so no name of the archive ever becomes a path. It is wholly there when
 * this resolves, sealed like one that was saved here, and nothing of it when it rejects.
 * @throws {SnapshotMismatchError | BackendUnsupported | InvalidArgumentError}
 */
export async function importSnapshot(
  services: Services,
  archive: Readable,
  options: ImportOptions,
): Promise<{ readonly snapshot: SnapshotInfo; readonly digest: string }> {
  const { snapshots, home } = services;
  const trusted = [ExportKey.open(home.exportKey).publicKey];
  if (options.key !== undefined) trusted.push(parsePublicKey(options.key));
  const entries = new Entries(archive, options.signal);
  try {
    const bytes = await entries.next(contentsName, contentsMaxBytes);
    requireTrusted(bytes, await entries.next(signatureName, signatureMaxBytes), trusted);
    const contents = parseContents(bytes, snapshotParts);
    const backend = backendOf(services, contents);
    await requireFitting({ manifest: contents, what: "the archive" }, backend);
    const name = options.name ?? contents.name;
    const release = snapshots.reserve(name);
    const id = newId("snp");
    const making = snapshots.begin(id);
    try {
      for (const part of contents.parts) await receive(entries, part, making);
      await entries.end();
      const parts = await checkParts(contents, making, backend, options.signal);
      const { compatibility, created_at, frozen, labels, memory_offset, source } = contents;
      const told = { compatibility, created_at, frozen, labels, memory_offset, source };
      const snapshot = snapshots.commit(making, { schema_version: 1, id, name, ...told, parts });
      return { snapshot, digest: archiveDigest(bytes) };
    } catch (error) {
      await snapshots.giveUp(id, making);
      throw error;
    } finally {
      release();
    }
  } catch (error) {
    options.signal.throwIfAborted();
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

async function checkParts(contents: Contents, directory: string, backend: Backend, signal: AbortSignal) {
  const parts = [];
  for (const { name, bytes, sha256 } of contents.parts) {
    const path = join(directory, name);
    const part = await digestFile(path, name, (file) => backend.dataRanges(file), signal);
    if (part.bytes !== bytes || part.sha256 !== sha256) throw badArchive(`its part "${name}" has not its digest`);
    if (name !== envPart) await chmod(path, 0o444);
    await syncPath(path);
    parts.push(part);
  }
  await syncPath(directory);
  return parts;
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
