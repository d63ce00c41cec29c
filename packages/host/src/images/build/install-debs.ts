import { join } from "node:path";
import process from "node:process";
import { dpkgOptions, fetchDebs, type ImageRecord, sourceOptionsFromEnvironment } from "@mvm/images";
import { InvalidArgumentError } from "@mvm/protocol";
import type { GuestOutput } from "../../packages/guest-commands.js";
import type { BuildMachine } from "./machine.js";
import type { StepOptions } from "./run-steps.js";

const directory = "/tmp/mvm-debs";

/**
 * Installs Debian packages. The host chooses and downloads them, as apt does and from its own archive; unpacked and configured
 * they are inside the machine, since their scripts are somebody's programs. The machine needs no network for it.
 * @throws {InvalidArgumentError | AssetDownloadError | BuildError}
 */
export async function installDebs(
  machine: BuildMachine,
  specs: readonly string[],
  options: Omit<StepOptions, "packages" | "archives"> & { readonly onOutput: GuestOutput },
): Promise<void> {
  const { base, log, signal, onProgress, onOutput } = options;
  const { mirror, keyring } = sourceOptionsFromEnvironment(process.env);
  const order = { specs, installed: base.packages, suite: base.suite, mirror, keyring, log, signal };
  const place = { directory: join(options.directory, "apt"), ...(onProgress !== undefined && { onProgress }) };
  const debs = await fetchDebs({ ...order, ...place });
  if (debs === null) return;
  await machine.unpack(debs.archive, directory, "bringing in packages");
  const env = { DEBIAN_FRONTEND: "noninteractive", DEBCONF_NONINTERACTIVE_SEEN: "true", LC_ALL: "C.UTF-8" };
  const argv = ["/bin/sh", "-c", install, "dpkg", directory, ...dpkgOptions.map((option) => `--${option}`)];
  await machine.run({ argv, env, onOutput }, `apt install ${specs.join(" ")}`);
}

/**
 * Refuses an image that this host's apt knows nothing of.
 * @throws {InvalidArgumentError}
 */
export function requireDebian({ suite, name }: ImageRecord): void {
  if (suite !== "") return;
  throw new InvalidArgumentError({
    message: `Cannot install packages of apt into "${name}": it was not made of Debian packages on this host`,
    hint: "Start from an image of the catalogue, or install them with RUN in a Dockerfile",
    context: { pointer: "/recipe/packages/apt" },
  });
}

/**
 * No service is started: there is nothing to serve in a build. dpkg takes the packages in the order of their names; what has to
 * be configured before another is unpacked is so on the next turn.
 */
const install = `set -eu
directory=$1; shift
policy=/usr/sbin/policy-rc.d
[ ! -e "$policy" ] || mv "$policy" "$policy.mvm"
printf '#!/bin/sh\\nexit 101\\n' >"$policy"
chmod 755 "$policy"
for turn in 1 2 3; do
  if dpkg --force-confold --force-unsafe-io --skip-same-version "$@" --install "$directory"/0/dir/*.deb; then done=yes; break; fi
  dpkg --force-confold --force-unsafe-io "$@" --configure --pending || true
done
rm -rf "$policy" "$directory"
[ ! -e "$policy.mvm" ] || mv "$policy.mvm" "$policy"
[ "\${done:-}" = yes ]`;
