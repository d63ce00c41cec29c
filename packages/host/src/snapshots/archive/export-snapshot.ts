import type { Services } from "../../sandboxes/services.js";
import { backendOf } from "../restore.js";
import { type PreparedArchive, prepareArchive, withChunks } from "./write.js";

export interface PreparedExport extends PreparedArchive {
  /** The snapshot may be removed again. */
  release(): void;
}

/**
 * Verifies a snapshot and signs what will be in its archive.
 * @throws {SnapshotError | SnapshotMismatchError}
 */
export async function prepareExport(services: Services, ref: string, signal: AbortSignal): Promise<PreparedExport> {
  const { snapshots, home } = services;
  const captured = snapshots.open(ref);
  const release = snapshots.holds.take(captured.manifest.id);
  try {
    const { directory, manifest } = captured;
    const backend = backendOf(services, manifest);
    await snapshots.verify(captured, backend, { signal, fresh: true });
    const { compatibility, name, created_at, frozen, labels, memory_offset, source } = manifest;
    const told = { compatibility, name, created_at, frozen, labels, memory_offset, source };
    const parts = await withChunks(directory, manifest.parts, backend);
    const contents = { archive_version: 1 as const, ...told, parts };
    return { ...prepareArchive(home.exportKey, directory, contents, signal), release };
  } catch (error) {
    release();
    throw error;
  }
}
