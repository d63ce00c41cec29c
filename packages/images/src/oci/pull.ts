import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { makeBuildTemp, sweepBuildTemps } from "../build-temp.js";
import { runChild } from "../child.js";
import type { ImageTrust } from "../cosign/trust.js";
import { imageError } from "../errors.js";
import { isEmptyConfig, type WarmUp } from "../image-config.js";
import { makeImageLayout } from "../layout.js";
import { imageNamePattern, type ImageRecord } from "../manifest.js";
import type { BuildControl } from "../progress.js";
import { publishImage } from "../publish.js";
import { openImageStore, type ResolvedImage } from "../store.js";
import { folderFiles, tarFiles } from "./archive-files.js";
import { dockerSource, layerOf, layoutSource } from "./archive-sources.js";
import { OpenFile } from "./byte-source.js";
import { configOf } from "./config.js";
import { decompressLayer } from "./decompress.js";
import { broken } from "./documents.js";
import { addGuestFiles } from "./guest-files.js";
import type { ImageSource } from "./image-source.js";
import { knownImage } from "./known-image.js";
import { type MergeLimits, mergeLimits } from "./limits.js";
import { LayerMerger } from "./merge.js";
import { defaultName, type ImagePlace, parsePlace, placeName } from "./place.js";
import type { Credentials } from "./registry-auth.js";
import { registrySource } from "./registry-source.js";
import { writeErofs } from "./write-erofs.js";

export interface PullOptions extends BuildControl {
  readonly home: string;
  /** See `parsePlace`. */
  readonly place: string;
  /** Name of the image. Default: the last part of the place's. */
  readonly name?: string | undefined;
  /** What the image has to be, whatever a tag says now. */
  readonly digest?: string | undefined;
  /** Refuses an image of a registry that no digest names. Default: false. */
  readonly requireDigest?: boolean | undefined;
  readonly credentials?: Credentials | undefined;
  /** Who must have signed an image of a registry with cosign. Default: nobody. */
  readonly trust?: ImageTrust | undefined;
  /** Lets a registry that is not on this host be asked over http. Default: false. */
  readonly plainHttp?: boolean | undefined;
  readonly limits?: MergeLimits | undefined;
  /** How long a registry may take. See `RegistryOptions`. */
  readonly answerMs?: number | undefined;
  /** What is known of an image that this host has made itself: it is recorded beside what its bytes say. */
  readonly made?: MadeHere | undefined;
}

export interface MadeHere extends Pick<ImageRecord, "packages" | "build"> {
  /** In place of the place, which is a file that goes. */
  readonly reference: string;
  readonly warm: WarmUp | null;
}

/**
 * Brings an image from elsewhere into the store: resolves it to digests, checks every byte against them, merges its layers in
 * memory and writes the result. Nothing of it is unpacked onto this host, and nothing of it runs.
 * @throws {InvalidArgumentError | AssetNotFoundError | AssetDownloadError | AssetChecksumError | BuildError}
 */
export async function pullImage(options: PullOptions): Promise<ResolvedImage> {
  const place = parsePlace(options.place);
  const name = options.name ?? defaultName(place);
  if (!imageNamePattern.test(name)) {
    throw imageError("invalid", `Cannot name the image ${JSON.stringify(name)}`, {
      hint: "Use up to 64 lower-case letters, digits, dots, underscores and dashes",
    });
  }
  const digest = pinned(place, options);
  const signal = options.signal ?? new AbortController().signal;
  const limits = options.limits ?? mergeLimits;
  const layout = await makeImageLayout(options.home);
  await sweepBuildTemps(options.home);
  const temp = await makeBuildTemp(options.home);
  const scratch: OpenFile[] = [];
  try {
    options.onProgress?.({ phase: "resolve", detail: placeName(place) });
    const source = await openSource(place, digest, { ...options, directory: temp.path, signal, limits });
    try {
      const known = place.kind === "registry" && (await knownImage(options.home, source.manifestDigest ?? ""));
      if (known) {
        options.onProgress?.({ phase: "done", detail: known.record.digest });
        const { signature: _former, ...origin } = known.record.origin!;
        return await openImageStore(options.home).register({
          ...known.record,
          name,
          origin: { ...origin, ...originOf(place, source) },
        });
      }
      const merger = new LayerMerger(limits);
      const layers = [];
      let room = limits.bytes;
      for (const [index, layer] of source.layers.entries()) {
        signal.throwIfAborted();
        const which = `layer ${index + 1}/${source.layers.length}`;
        const phase = (done?: number, total?: number): void =>
          options.onProgress?.({
            ...{ phase: "layer", detail: `${index + 1}/${source.layers.length}` },
            ...(done !== undefined && total !== undefined && { done, total }),
          });
        phase();
        const what = `${which} of ${placeName(place)}`;
        const { bytes, close } = await layer.open(phase);
        const path = join(temp.path, `layer-${index}.tar`);
        try {
          const made = await decompressLayer(bytes, { ...layer, what }, path, room, signal);
          layers.push({ digest: made.digest, diff_id: made.diffId, size: bytes.size });
          room -= made.bytes;
        } finally {
          await close();
        }
        const tar = await OpenFile.open(path);
        scratch.push(tar);
        await merger.add(tar, what);
      }
      if (layers.length === 0) throw broken(placeName(place), "it has no layers");
      options.onProgress?.({ phase: "pack" });
      const counts = merger.counts();
      const { made } = options;
      const config = { ...configOf(source.config, placeName(place)), ...(made && { warm: made.warm }) };
      await addGuestFiles(merger.root, config);
      const file = join(temp.path, "root.erofs");
      await writeErofs(merger.root, file, signal);
      options.onProgress?.({ phase: "check" });
      const image = await publishImage(layout, file, {
        ...{ name, created_at: new Date().toISOString(), suite: "", architecture: "amd64", packages: [], sources: [] },
        ...(made && { packages: made.packages, ...(made.build && { build: made.build }) }),
        ...(isEmptyConfig(config) ? {} : { config }),
        origin: {
          ...originOf(place, source),
          ...(made && { reference: made.reference }),
          digest: source.digest ?? layers[0]!.diff_id,
          manifest_digest: source.manifestDigest,
          config_digest: source.configDigest,
          layers,
          devices_dropped: counts.devicesDropped,
          xattrs_dropped: counts.xattrsDropped,
          setuid: counts.setuid,
          capabilities: counts.capabilities,
        },
      });
      options.onProgress?.({ phase: "done", detail: image.record.digest });
      return image;
    } finally {
      await source.close();
    }
  } finally {
    for (const file of scratch) await file.close();
    await temp.remove();
  }
}

/** What the record says of where it came from this time. */
function originOf(place: ImagePlace, { digest, signature }: ImageSource) {
  return { reference: placeName(place), ...(digest !== null && { digest }), ...(signature && { signature }) };
}

/** The digest asked for, be it part of the place or beside it. */
function pinned(place: ImagePlace, { digest, requireDigest }: PullOptions): string | null {
  const own = place.kind === "registry" ? place.digest : null;
  if (own !== null && digest !== undefined && own !== digest) {
    throw imageError("invalid", `Cannot pull ${placeName(place)}: two different digests are asked for`, {
      hint: "Give one digest",
    });
  }
  const wanted = own ?? digest ?? null;
  if (wanted === null && requireDigest === true && place.kind === "registry") {
    throw imageError("invalid", `Cannot pull ${placeName(place)}: this host takes images by digest only`, {
      hint: "Add @sha256:… or --digest",
    });
  }
  return wanted;
}

type Opening = PullOptions & { directory: string; signal: AbortSignal; limits: MergeLimits };

async function openSource(place: ImagePlace, digest: string | null, options: Opening): Promise<ImageSource> {
  const { limits, signal, home, credentials, plainHttp = false, trust, answerMs } = options;
  if (place.kind === "registry") {
    return await registrySource({ ...place, digest, home, limits, credentials, trust, plainHttp, signal, answerMs });
  }
  const what = placeName(place);
  if (place.kind === "rootfs") return await rootfsSource(place.path, digest, options);
  const files = place.kind === "oci" ? folderFiles(place.path) : await tarFiles(place.path);
  try {
    const open = place.kind === "docker-archive" ? dockerSource : layoutSource;
    return await open(files, { tag: place.tag, digest, what, limits });
  } catch (error) {
    await files.close();
    throw error;
  }
}

async function rootfsSource(path: string, digest: string | null, options: Opening): Promise<ImageSource> {
  const folder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const bare = { manifestDigest: null, configDigest: null, config: null };
  if (folder) {
    if (digest !== null)
      throw imageError("invalid", "Cannot pin a folder: it has no digest", { hint: "Pack it as a tar" });
    const packed = join(options.directory, "rootfs.tar");
    const how = ["--format=pax", "--numeric-owner", "--sort=name", "--one-file-system"];
    const xattrs = ["--xattrs", "--xattrs-include=user.*", "--xattrs-include=security.capability"];
    const log = join(options.directory, "rootfs.log");
    // tar goes from directory to directory and never through a link.
    await runChild("tar", [...how, ...xattrs, "-C", path, "-cf", packed, "."], {
      ...{ log, timeoutMs: 1_800_000, signal: options.signal },
    });
    const tar = await OpenFile.open(packed);
    const close = async (): Promise<void> => {
      await tar.close();
      await rm(packed, { force: true });
    };
    return { ...bare, digest: null, layers: [layerOf(null, null, null, () => Promise.resolve(tar))], close };
  }
  const tar = await OpenFile.open(path);
  const layers = [layerOf(digest, null, tar.size, () => Promise.resolve(tar))];
  return { ...bare, digest, layers, close: () => tar.close() };
}
