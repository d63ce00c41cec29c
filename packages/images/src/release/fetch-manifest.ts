import { readSmall } from "./download.js";
import { manifestFile, maxManifestBytes, parseManifest, type ReleaseManifest } from "./manifest.js";
import type { ReleaseSource } from "./source.js";
import { checkSignature, maxSignatureBytes, signatureFile, type ReleaseTrust } from "./trust.js";

/**
 * The manifest, once its signature holds: it is not even parsed before.
 * @throws {AssetNotFoundError | AssetDownloadError | AssetChecksumError}
 */
export async function fetchManifest(
  source: ReleaseSource,
  trust: ReleaseTrust,
  signal: AbortSignal,
): Promise<ReleaseManifest> {
  const manifest = await readSmall(source, manifestFile, maxManifestBytes, signal);
  const signature = await readSmall(source, signatureFile[trust.kind], maxSignatureBytes, signal);
  checkSignature(manifest, signature, trust);
  return parseManifest(manifest);
}
