import { createReadStream, createWriteStream, openSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { InvalidArgumentError, isSandboxError, type SnapshotImported, type TemplateImported } from "@mvm/protocol";
import { type DaemonClient, segment } from "../client/index.js";
import { nameOf } from "./life.js";

/** What `Snapshot.import` takes besides the file. */
export interface ImportOptions {
  /** Name of the snapshot here. @default as it was exported */
  readonly name?: string | undefined;
  /** Public key (PEM) of the exporting host, its `keys/snapshot-export.key.pub`. @default only archives of this state root */
  readonly key?: string | undefined;
}

/**
 * Writes the archive to a new file of mode 0600, whole or not at all. Returns its digest.
 * @param kind what `ref` is one of
 */
export async function exportArchive(
  client: DaemonClient,
  kind: "snapshots" | "templates",
  ref: string,
  file: string,
): Promise<string> {
  const half = `${file}.${process.pid}.part`;
  const out = createWriteStream(half, { fd: opened(file, () => openSync(half, "wx", 0o600)) });
  try {
    const path = `/${kind}/${segment(ref)}/export`;
    const answer = await client.raw({ method: "GET", path, operation: `${kind}.export` });
    await pipeline(answer.chunks, out);
    await rename(half, file);
    return String(answer.headers["x-mvm-digest"]);
  } catch (error) {
    out.destroy();
    await rm(half, { force: true });
    throw isSandboxError(error) ? error : unusable(file, error);
  }
}

/** Reads a snapshot from an archive. */
export async function importSnapshot(client: DaemonClient, file: string, options: ImportOptions) {
  const query = { name: nameOf(options.name), key: options.key };
  return await send<SnapshotImported>(client, "snapshots", file, query);
}

/** Reads a template from an archive. */
export async function importTemplate(client: DaemonClient, file: string, key: string | undefined) {
  return await send<TemplateImported>(client, "templates", file, { key });
}

/** Sends the archive, read no faster than it is compared. */
async function send<T>(
  client: DaemonClient,
  kind: "snapshots" | "templates",
  file: string,
  query: Readonly<Record<string, string | undefined>>,
): Promise<T> {
  const fd = opened(file, () => openSync(file, "r"));
  const archive = createReadStream(file, { fd });
  try {
    return await client.json<T>({
      ...{ method: "POST", path: `/${kind}/import`, operation: `${kind}.import`, patient: () => true },
      query,
      body: () => archive,
    });
  } finally {
    archive.destroy();
  }
}

function opened(file: string, open: () => number): number {
  try {
    return open();
  } catch (error) {
    throw unusable(file, error);
  }
}

function unusable(file: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== "string") return error;
  return new InvalidArgumentError({
    message: `Cannot use ${JSON.stringify(file)} as an archive: the system answered ${code}`,
    context: { argument: "file" },
    cause: error,
  });
}
