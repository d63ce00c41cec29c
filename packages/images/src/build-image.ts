import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeBuildTemp, sweepBuildTemps } from "./build-temp.js";
import { catalogueEntry } from "./catalogue.js";
import { debianSources, withoutCredentials, type DebianSourceOptions } from "./debian-source.js";
import { hostAptOptions } from "./host-apt-options.js";
import { makeImageLayout } from "./layout.js";
import { parsePackages } from "./manifest.js";
import { PrivateApt } from "./private-apt.js";
import type { BuildControl } from "./progress.js";
import { publishImage } from "./publish.js";
import { bootstrapRootfs } from "./rootfs.js";
import type { ResolvedImage } from "./store.js";

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
    const image = await publishImage(layout, files.image, {
      name: entry.name,
      created_at: (options.now?.() ?? new Date()).toISOString(),
      suite: source.suite,
      architecture: "amd64",
      packages: parsePackages(await readFile(files.packages, "utf8")),
      sources: [{ uri: withoutCredentials(source.uri), suite: source.suite, component: source.component }],
    });
    options.onProgress?.({ phase: "done", detail: image.record.digest });
    return image;
  } finally {
    await temp.remove();
  }
}
