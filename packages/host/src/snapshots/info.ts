import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotInfo } from "@mvm/protocol";
import type { Manifest } from "./manifest.js";

/** The SnapshotInfo of docs/api.md. */
export function infoOfManifest(directory: string, manifest: Manifest): SnapshotInfo {
  const { source } = manifest;
  return {
    id: manifest.id,
    name: manifest.name,
    epoch: manifest.epoch,
    created_at: manifest.created_at,
    sandbox: { id: source.id, name: source.name },
    image: { ...source.image },
    frozen: manifest.frozen,
    labels: [...manifest.labels],
    bytes: manifest.parts.reduce((sum, { name }) => sum + allocated(join(directory, name)), 0),
    compatibility: manifest.compatibility,
    parts: manifest.parts,
  };
}

/** What the parts of a snapshot take on the disk, shared with others or not. Bytes. */
export function blocksOf(directory: string, { parts }: Manifest): number {
  return parts.reduce((sum, { name }) => sum + lstatSync(join(directory, name)).blocks * 512, 0);
}

/** What a sparse file really takes; one that is shared by hard links belongs to all of them. Bytes. */
function allocated(path: string): number {
  try {
    const { blocks, nlink } = lstatSync(path);
    return nlink > 1 ? 0 : blocks * 512;
  } catch {
    return 0;
  }
}
