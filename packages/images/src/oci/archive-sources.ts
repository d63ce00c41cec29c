import { imageError } from "../errors.js";
import { type ArchiveFiles, documentOf } from "./archive-files.js";
import type { ByteSource } from "./byte-source.js";
import {
  broken,
  type Descriptor,
  digestOf,
  forGuest,
  isIndex,
  list,
  mismatch,
  object,
  parseConfig,
  parseDocument,
  parseManifest,
  requireDigest,
  text,
} from "./documents.js";
import type { ImageSource, LayerSource } from "./image-source.js";
import type { MergeLimits } from "./limits.js";

const refName = "org.opencontainers.image.ref.name";

/** An image of an OCI layout. Nothing in it is believed but by its digest. */
export async function layoutSource(
  files: ArchiveFiles,
  wanted: { tag: string | null; digest: string | null; what: string; limits: MergeLimits },
): Promise<ImageSource> {
  const { what, limits } = wanted;
  const blob = async (digest: string): Promise<Buffer> => {
    const bytes = await documentOf(files, `blobs/sha256/${digest.slice("sha256:".length)}`, what);
    requireDigest(bytes, digest, what);
    return bytes;
  };
  const { digest } = chosen(object(parseDocument(await documentOf(files, "index.json", what), what), what), wanted);
  if (wanted.digest !== null && wanted.digest !== digest) throw mismatch(what, wanted.digest, digest);
  let manifestDigest = digest;
  let document = parseDocument(await blob(digest), what);
  if (isIndex(document)) {
    manifestDigest = forGuest(document, what).digest;
    document = parseDocument(await blob(manifestDigest), what);
  }
  const manifest = parseManifest(document, what, limits);
  const config = parseConfig(await blob(manifest.config.digest), what);
  const layers = manifest.layers.map((layer, index) => {
    const name = `blobs/sha256/${layer.digest.slice("sha256:".length)}`;
    return layerOf(layer.digest, config.diffIds[index] ?? null, layer.size, () => files.find(name));
  });
  return {
    ...{ digest, manifestDigest, configDigest: manifest.config.digest, config, layers },
    close: () => files.close(),
  };
}

function chosen(
  index: Record<string, unknown>,
  { tag, digest, what }: { tag: string | null; digest: string | null; what: string },
): Descriptor {
  const manifests = list(index["manifests"], what).map((item) => object(item, what));
  const named = (item: Record<string, unknown>): unknown => object(item["annotations"] ?? {}, what)[refName];
  const found =
    tag !== null
      ? manifests.filter((item) => named(item) === tag)
      : digest !== null
        ? manifests.filter((item) => item["digest"] === digest)
        : manifests;
  if (found.length === 1) return forGuest({ manifests: [{ ...found[0], platform: undefined }] }, what);
  if (found.length > 1) return forGuest({ manifests: found }, what);
  const names = manifests.map((item) => String(named(item) ?? item["digest"])).join(", ");
  throw imageError("not_found", `Cannot find ${tag ?? digest ?? "an image"} in ${what}: it holds ${names || "none"}`, {
    hint: "Name one of these behind a colon",
  });
}

/** An image of `docker save`. Its configuration names its layers; the archive itself has no digest of its own. */
export async function dockerSource(
  files: ArchiveFiles,
  wanted: { tag: string | null; digest: string | null; what: string; limits: MergeLimits },
): Promise<ImageSource> {
  const { what, tag, limits } = wanted;
  const bytes = await documentOf(files, "manifest.json", what);
  const images = list(
    parseDocument(Buffer.concat([Buffer.from('{"images":'), bytes, Buffer.from("}")]), what)["images"],
    what,
  );
  const found = images
    .map((image) => object(image, what))
    .filter((image) => tag === null || tags(image, what).some((name) => name === tag || name.endsWith(`/${tag}`)));
  const [image] = found;
  if (image === undefined || found.length > 1) {
    const names = images.flatMap((other) => tags(object(other, what), what)).join(", ");
    throw imageError("not_found", `Cannot choose an image of ${what}: it holds ${names || "none with a name"}`, {
      hint: "Name one of these behind a colon",
    });
  }
  const document = await documentOf(files, text(image["Config"], what), what);
  const configDigest = digestOf(document);
  if (wanted.digest !== null && wanted.digest !== configDigest) throw mismatch(what, wanted.digest, configDigest);
  const config = parseConfig(document, what);
  const names = list(image["Layers"], what).map((name) => text(name, what));
  if (names.length !== config.diffIds.length) throw broken(what, "its layers are not those of its configuration");
  if (names.length > limits.layers) throw broken(what, `it has more than ${limits.layers} layers`);
  const layers = names.map((name, index) => layerOf(null, config.diffIds[index] ?? null, null, () => files.find(name)));
  return { digest: configDigest, manifestDigest: null, configDigest, config, layers, close: () => files.close() };
}

function tags(image: Record<string, unknown>, what: string): string[] {
  return list(image["RepoTags"] ?? [], what).map((name) => text(name, what));
}

export function layerOf(
  digest: string | null,
  diffId: string | null,
  size: number | null,
  find: () => Promise<ByteSource>,
): LayerSource {
  const close = (): Promise<void> => Promise.resolve();
  return { digest, diffId, size, open: async () => ({ bytes: await find(), close }) };
}
