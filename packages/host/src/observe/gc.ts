import { lstatSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { removeUnrecorded, unrecordedImages } from "@mvm/images";
import { idleParts } from "@mvm/images/release";
import type { GcResult } from "@mvm/protocol";
import type { Services } from "../sandboxes/services.js";
import { temporarySuffix } from "../store/atomic.js";
import { listQuarantined } from "../store/quarantine.js";

/** Quarantined sandboxes are kept this long for their owner to look at. Milliseconds. */
const quarantineKeptMs = 7 * 24 * 3600 * 1000;

interface Garbage {
  readonly kind: string;
  readonly path: string;
}

/** Removes what belongs to no sandbox any more, or only says what it would remove. */
export async function collectGarbage(services: Services, dryRun: boolean, now = Date.now()): Promise<GcResult> {
  const removed: GcResult["removed"] = [];
  if (!dryRun) for (const backend of services.backends) await backend.tidy?.();
  for (const { kind, path } of [...findGarbage(services, now), ...(await staleAssets(services, now))]) {
    const bytes = sizeOf(path);
    if (!dryRun && kind === "image") {
      if (!removeUnrecorded(path, now)) continue;
    } else if (!dryRun) await rm(path, { recursive: true, force: true });
    removed.push({ kind, path, bytes });
  }
  return { removed, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** What backends keep for images or programs that are no more, and what broken transfers and publications left. */
async function staleAssets({ backends, home, images }: Services, now: number): Promise<Garbage[]> {
  const digests = new Set((await images.list()).map(({ record }) => record.digest));
  const found = await Promise.all(backends.map(async (backend) => (await backend.stale?.(digests)) ?? []));
  const parts = (await idleParts(home.root)).map((path): Garbage => ({ kind: "download", path }));
  const unrecorded = (await unrecordedImages(home.root, now)).map((path): Garbage => ({ kind: "image", path }));
  return [...found.flat().map(({ kind, path }) => ({ kind, path })), ...parts, ...unrecorded];
}

function findGarbage({ home, registry, pools }: Services, now: number): Garbage[] {
  const known = new Set([...registry.list().map(({ id }) => id), ...pools.ids()]);
  return [
    ...names(home.sandboxes)
      .filter((name) => !known.has(name))
      .map((name): Garbage => ({ kind: "sandbox", path: join(home.sandboxes, name) })),
    ...names(home.run)
      .filter((name) => name.endsWith(temporarySuffix))
      .map((name): Garbage => ({ kind: "temporary", path: join(home.run, name) })),
    ...listQuarantined(home.quarantine)
      .filter(({ time }) => now - (Date.parse(time) || 0) > quarantineKeptMs)
      .map(({ path }): Garbage => ({ kind: "quarantine", path })),
    ...names(home.logs)
      .filter((name) => name.endsWith(".1"))
      .map((name): Garbage => ({ kind: "log", path: join(home.logs, name) })),
  ];
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function sizeOf(path: string): number {
  try {
    const at = lstatSync(path);
    if (!at.isDirectory()) return at.blocks * 512;
    return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
  } catch {
    return 0;
  }
}
