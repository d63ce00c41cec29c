import { existsSync, lstatSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { imageLayout } from "./layout.js";

/** A file is recorded moments after it comes to its place; one that has waited this long was left by a kill. Milliseconds. */
const recordedWithinMs = 3600 * 1000;

/**
 * Files of images that no record is beside: what a publication killed before its record leaves. An image whose record is
 * damaged is not among them.
 * @param now milliseconds since 1970; files that came later than an hour before are left out
 */
export async function unrecordedImages(home: string, now: number): Promise<string[]> {
  const { images } = imageLayout(home);
  const files = new Set(await readdir(images).catch(() => [] as string[]));
  const found: string[] = [];
  for (const file of [...files].sort()) {
    const digits = /^([0-9a-f]{64})\.erofs$/.exec(file)?.[1];
    if (digits === undefined || files.has(`${digits}.json`)) continue;
    const path = join(images, file);
    if (isLeft(path, now)) found.push(path);
  }
  return found;
}

/**
 * Removes one of them, unless an image of its digest has been published since it was found. Returns whether it did: the last look
 * and the removal are one step.
 */
export function removeUnrecorded(path: string, now: number): boolean {
  if (!isLeft(path, now)) return false;
  rmSync(path, { recursive: true, force: true });
  return true;
}

function isLeft(path: string, now: number): boolean {
  // The change time is that of the renaming; the modification time is that of the build.
  const at = lstatSync(path, { throwIfNoEntry: false });
  return at !== undefined && now - at.ctimeMs > recordedWithinMs && !existsSync(path.replace(/erofs$/, "json"));
}
