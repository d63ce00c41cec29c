import { chmod } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { newId, type SnapshotInfo } from "@mvm/protocol";
import type { Services } from "../../sandboxes/services.js";
import { backendOf, requireFitting } from "../restore.js";
import { envPart, snapshotParts, syncPath } from "../save.js";
import { archiveDigest, parseSnapshotContents } from "./format.js";
import { readArchive } from "./read.js";

export interface ImportOptions {
  /** @default the name it was exported with */
  readonly name?: string | undefined;
  /** Public key to trust besides this state root's own. */
  readonly key?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Reads an exported snapshot. Nothing but its contents and signature is read before both are believed and this host is known to
 * fit. It is wholly there when this resolves, sealed like one that was saved here, and nothing of it when it rejects.
 * @throws {SnapshotMismatchError | BackendUnsupported | InvalidArgumentError}
 */
export async function importSnapshot(
  services: Services,
  archive: Readable,
  options: ImportOptions,
): Promise<{ readonly snapshot: SnapshotInfo; readonly digest: string }> {
  const { snapshots, home } = services;
  const reading = { keyPath: home.exportKey, key: options.key, signal: options.signal };
  return await readArchive(archive, reading, async (bytes, rest) => {
    const contents = parseSnapshotContents(bytes, snapshotParts);
    const backend = backendOf(services, contents);
    await requireFitting({ manifest: contents, what: "the archive" }, backend);
    const name = options.name ?? contents.name;
    const release = snapshots.reserve(name);
    const id = newId("snp");
    const making = snapshots.begin(id);
    try {
      const parts = await rest.receive(contents.parts, making, backend);
      for (const part of snapshotParts) {
        if (part !== envPart) await chmod(join(making, part), 0o444);
        await syncPath(join(making, part));
      }
      await syncPath(making);
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
  });
}
