import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CatalogueEntry } from "./catalogue.js";
import { runChild } from "./child.js";
import { sourceLine } from "./private-apt.js";
import type { DebianSource } from "./debian-source.js";
import { finishScript, imageFile, imageTime, outputDirectory, packagesFile } from "./finish-script.js";
import type { BuildControl } from "./progress.js";

export interface RootfsFiles {
  image: string;
  packages: string;
}

/** Documentation nobody reads in a sandbox. */
const excluded = ["/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*"];
/** Options of dpkg for everything that goes into an image: licences stay of the documentation. */
export const dpkgOptions = [
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  ...excluded.map((pattern) => `path-exclude=${pattern}`),
];

/** What is mounted for the bootstrap is gone with it, also when it is killed: nothing of the host stays bound into its chroot. */
const ownMounts = ["unshare", "--mount", "--propagation", "private", "--"] as const;

/**
 * Bootstraps a Debian root and packs it, as root or, for anyone else, in a user namespace. The image is made inside
 * that namespace (owners are right only there) and handed out through mmdebstrap's own channel.
 */
export async function bootstrapRootfs(
  entry: CatalogueEntry,
  source: DebianSource,
  options: BuildControl & { directory: string; log: string; aptOptions: readonly string[] },
): Promise<RootfsFiles> {
  const files = { image: join(options.directory, imageFile), packages: join(options.directory, packagesFile) };
  const download = (name: string, to: string): string =>
    `--customize-hook=download /${outputDirectory}/${name} ${shellQuoted(to)}`;
  const args = [
    "--mode=auto",
    "--variant=essential",
    "--format=null",
    "--architectures=amd64",
    `--include=${entry.packages.join(",")}`,
    ...dpkgOptions.map((option) => `--dpkgopt=${option}`),
    ...options.aptOptions.map((option) => `--aptopt=${option}`),
    // The chroot is thrown away: cleaning it would only cost time.
    "--skip=cleanup",
    `--customize-hook=${finishScript(entry)}`,
    download(imageFile, files.image),
    download(packagesFile, files.packages),
    source.suite,
    "/dev/null",
    sourceLine(source),
  ];
  const asRoot = process.getuid?.() === 0;
  const control = { log: options.log, timeoutMs: 1_800_000, signal: options.signal };
  // A missing tool is told by its name: behind `unshare` it would be a failed build.
  await runChild("mmdebstrap", ["--version"], control);
  const [program, ...before] = asRoot ? [...ownMounts, "mmdebstrap"] : ["mmdebstrap"];
  await runChild(program, [...before, ...args], {
    ...control,
    // A namespace's root cannot enter a private state root, so that chroot lies in the system's directory.
    env: { SOURCE_DATE_EPOCH: String(imageTime), TMPDIR: asRoot ? options.directory : tmpdir() },
    onLine: (line) => {
      const phase = /^I: (running apt-get update|downloading|extracting|installing|running --customize)\b(.*)/.exec(
        line,
      );
      if (phase === null) return;
      const hook = phase[1] === "running --customize";
      options.onProgress?.({
        phase: "rootfs",
        detail: hook ? "packing" : `${phase[1] ?? ""}${phase[2] ?? ""}`.replace(/\.+$/, ""),
      });
    },
  });
  return files;
}

function shellQuoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
