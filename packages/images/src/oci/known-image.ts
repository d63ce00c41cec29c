import { openImageStore, type ResolvedImage } from "../store.js";

/**
 * What this manifest, which names its configuration and layers by their digests, has become on this host before. Undefined:
 * nothing, or what is there is damaged.
 */
export async function knownImage(home: string, manifestDigest: string): Promise<ResolvedImage | undefined> {
  const store = openImageStore(home);
  const found = (await store.list()).find(({ record }) => record.origin?.manifest_digest === manifestDigest);
  return found && (await store.verify(found.record.digest).catch(() => undefined));
}
