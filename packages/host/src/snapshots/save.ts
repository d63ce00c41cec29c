import { writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { newId, type SnapshotInfo, type SnapshotPart } from "@mvm/protocol";
import type { Backend, Progress } from "../backends/backend.js";
import { fault } from "../observe/fault.js";
import { captureLive } from "../sandboxes/capture.js";
import { changing } from "../sandboxes/changing.js";
import { shapeOf } from "../sandboxes/shape.js";
import { toStateFile } from "../sandboxes/persist.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import { savedEnv } from "../sandboxes/saved-env.js";
import type { Services } from "../sandboxes/services.js";
import { digestFile } from "./digest.js";
import { sourceOf, type UnsealedManifest } from "./manifest.js";

/** Environment of the sandbox, which a restore gives back to the guest. As sensitive as the memory beside it. */
export const envPart = "env.json";
/** Files of a snapshot, in the order of its manifest. */
export const snapshotParts = ["memory", "state", "disk.qcow2", "base.raw", envPart];

export interface SaveOptions {
  readonly name: string | null;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Saves memory, devices and disk of a running or paused sandbox, all of one instant. The sandbox goes on; a save that fails or
 * is interrupted leaves nothing.
 * @throws {SandboxUnavailable} it is in another state
 * @throws {SnapshotError | InvalidArgumentError}
 */
export async function saveSnapshot(services: Services, sandbox: Sandbox, options: SaveOptions): Promise<SnapshotInfo> {
  const { snapshots } = services;
  const release = snapshots.reserve(options.name);
  try {
    return await changing(sandbox, async () => {
      const id = newId("snp");
      const making = snapshots.begin(id);
      try {
        options.onProgress?.({ phase: "capture", detail: "saving memory and disk" });
        const { memoryOffset, frozen } = await captureLive(services, sandbox, making, {
          disk: true,
          operation: "snapshot",
        });
        fault("snapshot.after-capture");
        writeFileSync(join(making, envPart), JSON.stringify(savedEnv(sandbox)), { mode: 0o600, flag: "wx" });
        const manifest = await describe(services, sandbox, making, snapshotParts, options);
        options.signal.throwIfAborted();
        return snapshots.commit(making, { ...manifest, id, name: options.name, memory_offset: memoryOffset, frozen });
      } catch (error) {
        await snapshots.giveUp(id, making);
        throw error;
      }
    });
  } finally {
    release();
  }
}

/** Hashes the parts, makes them durable, and describes the machine they are of. */
export async function describe(
  services: Services,
  sandbox: Sandbox,
  directory: string,
  names: readonly string[],
  options: { readonly signal?: AbortSignal; readonly onProgress?: (progress: Progress) => void },
): Promise<Omit<UnsealedManifest, "epoch" | "id" | "name" | "memory_offset" | "frozen">> {
  options.onProgress?.({ phase: "seal", detail: "hashing what was saved" });
  return {
    schema_version: 1,
    created_at: new Date().toISOString(),
    labels: labelsOf(sandbox),
    compatibility: await sandbox.backend.compatibility(shapeOf(sandbox)),
    parts: await digestParts(directory, names, sandbox.backend, options.signal),
    source: sourceOf(toStateFile(sandbox)),
  };
}

async function digestParts(
  directory: string,
  names: readonly string[],
  backend: Backend,
  signal: AbortSignal | undefined,
): Promise<SnapshotPart[]> {
  const parts: SnapshotPart[] = [];
  for (const name of names) {
    const path = join(directory, name);
    parts.push(await digestFile(path, name, (file) => backend.dataRanges(file), signal));
    await syncPath(path);
  }
  await syncPath(directory);
  return parts;
}

function labelsOf(sandbox: Sandbox): string[] {
  const plaintext = Object.keys(savedEnv(sandbox)).length > 0;
  return ["sensitive", ...(plaintext ? ["may-contain-secrets"] : [])];
}

/** Makes a file or directory durable. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
