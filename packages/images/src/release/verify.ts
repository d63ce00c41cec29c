import { createHash } from "node:crypto";
import { imageError } from "../errors.js";
import type { BuildControl } from "../progress.js";
import { retried, tooLong } from "./download.js";
import { fetchManifest } from "./fetch-manifest.js";
import type { ReleaseAsset, ReleaseManifest } from "./manifest.js";
import { openSource, type ReleaseSource } from "./source.js";
import type { ReleaseTrust } from "./trust.js";

/**
 * Reads all of a release and keeps nothing.
 * @throws {AssetNotFoundError | AssetDownloadError | AssetChecksumError | InvalidArgumentError}
 */
export async function verifyRelease(
  options: BuildControl & { place: string; trust: ReleaseTrust },
): Promise<ReleaseManifest> {
  const signal = options.signal ?? new AbortController().signal;
  const source = await openSource(options.place);
  const manifest = await fetchManifest(source, options.trust, signal);
  const total = manifest.assets.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  for (const asset of manifest.assets) {
    options.onProgress?.({ phase: "verify", detail: asset.file, done, total });
    await verifyAsset(source, asset, signal);
    done += asset.size;
  }
  return manifest;
}

async function verifyAsset(source: ReleaseSource, asset: ReleaseAsset, signal: AbortSignal): Promise<void> {
  const actual = await retried(source, asset.file, signal, async () => {
    const hash = createHash("sha256");
    let size = 0;
    const { bytes } = await source.open(asset.file, 0, signal);
    for await (const chunk of bytes) {
      size += chunk.length;
      if (size > asset.size) throw tooLong(source, asset.file, asset.size);
      hash.update(chunk);
    }
    return hash.digest("hex");
  });
  if (actual === asset.sha256) return;
  throw imageError(
    "checksum",
    `Cannot use ${asset.file} of ${source.name}: its sha256 is ${actual}, not ${asset.sha256}`,
    {
      hint: "The file was changed or damaged after the release was signed",
    },
  );
}
