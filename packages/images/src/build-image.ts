import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeBuildTemp, sweepBuildTemps } from "./build-temp.js";
import { catalogueEntry } from "./catalogue.js";
import { debianSources, withoutCredentials, type DebianSourceOptions } from "./debian-source.js";
import { cachedSha256 } from "./digest-cache.js";
import { publishFile } from "./durable.js";
import { checkErofs } from "./erofs.js";
import { hostAptOptions } from "./host-apt-options.js";
import { makeImageLayout } from "./layout.js";
import { parsePackages, type ImageRecord } from "./manifest.js";
import { PrivateApt } from "./private-apt.js";
import type { BuildControl } from "./progress.js";
import { bootstrapRootfs } from "./rootfs.js";
import { ImageStore, type ResolvedImage } from "./store.js";

export interface BuildImageOptions extends DebianSourceOptions, BuildControl {
  home: string;
  /** A name of the catalogue. */
  name: string;
  /** Time for `created_at`; the image's bytes do not depend on it. */
  now?: () => Date;
}

/**
 * Builds an image of the catalogue and points its name at the result. Nothing is visible before it is whole and on
 * the disk. Throws `AssetNotFoundError`, `AssetDownloadError`, `VmDependencyError` or `BuildError`; an abort rejects with
 * its reason.
 */
export async function buildImage(options: BuildImageOptions): Promise<ResolvedImage> {
  const entry = catalogueEntry(options.name);
  const layout = await makeImageLayout(options.home);
  await sweepBuildTemps(options.home);
  const log = join(layout.logs, `image-${entry.name}.log`);
  const temp = await makeBuildTemp(options.home);
  try {
    const sources = await debianSources(options, log);
    // Settles which release the archive carries, within a second, before minutes are spent on it.
    const { source } = await PrivateApt.openFirst(join(temp.path, "apt"), sources, log, options);
    const aptOptions = await hostAptOptions(log);
    const files = await bootstrapRootfs(entry, source, { ...options, directory: temp.path, log, aptOptions });
    options.onProgress?.({ phase: "digest" });
    await checkErofs(files.image);
    const { sha256, size } = await cachedSha256(files.image);
    // Machines run under an id of their own; the state root around it keeps everyone else out.
    await chmod(files.image, 0o444);
    await publishFile(files.image, join(layout.images, `${sha256}.erofs`));
    const record: ImageRecord = {
      schema_version: 1,
      name: entry.name,
      digest: `sha256:${sha256}`,
      size,
      created_at: (options.now?.() ?? new Date()).toISOString(),
      suite: source.suite,
      architecture: "amd64",
      packages: parsePackages(await readFile(files.packages, "utf8")),
      sources: [{ uri: withoutCredentials(source.uri), suite: source.suite, component: source.component }],
    };
    const image = await new ImageStore(layout).register(record);
    options.onProgress?.({ phase: "done", detail: record.digest });
    return image;
  } finally {
    await temp.remove();
  }
}
