import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { cachedSha256 } from "./digest-cache.js";
import { publishFile } from "./durable.js";
import { checkErofs } from "./erofs.js";
import type { ImageLayout } from "./layout.js";
import type { ImageRecord } from "./manifest.js";
import { ImageStore, type ResolvedImage } from "./store.js";

/**
 * Checks a finished file system image, moves it to its place and only then gives it its name: a process that is killed at
 * any moment leaves a whole named image or none.
 * @throws {BuildError} it is not a whole EROFS file system
 */
export async function publishImage(
  layout: ImageLayout,
  file: string,
  record: Omit<ImageRecord, "schema_version" | "digest" | "size">,
): Promise<ResolvedImage> {
  await checkErofs(file);
  const { sha256, size } = await cachedSha256(file);
  // Machines run under an id of their own; the state root around it keeps everyone else out.
  await chmod(file, 0o444);
  await publishFile(file, join(layout.images, `${sha256}.erofs`));
  return await new ImageStore(layout).register({ schema_version: 1, ...record, digest: `sha256:${sha256}`, size });
}
