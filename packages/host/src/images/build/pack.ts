import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { configPath, imageTime, isEmptyConfig, type ImageConfig } from "@mvm/images";
import type { Progress } from "../../backends/backend.js";
import type { BuildMachine } from "./machine.js";
import { receive } from "./receive.js";
import type { PackingTools } from "./tools.js";

/**
 * Turns the root file system of the machine into an image file on the host. The machine packs it with programs brought in
 * for it; what comes out is bytes, which nothing here looks into. The caller checks and names them.
 */
export async function packRoot(
  machine: BuildMachine,
  tools: PackingTools,
  config: ImageConfig,
  file: string,
  onProgress?: (progress: Progress) => void,
): Promise<void> {
  onProgress?.({ phase: "pack" });
  const directory = `/run/mvm-pack-${randomBytes(8).toString("hex")}`;
  for (const [name, content] of tools.files) {
    await machine.put(`${directory}/${name}`, Readable.from([content]), 0o755);
  }
  const text = isEmptyConfig(config) ? "" : `${JSON.stringify(config)}\n`;
  const result = `/tmp/${directory.slice("/run/".length)}`;
  const argv = ["/bin/sh", "-c", script, "pack", directory, tools.loader, result, configPath, text];
  await machine.run({ argv }, "packing");
  await receive(machine, `${result}/root.erofs`, file, onProgress);
}

/**
 * As the images of the catalogue are finished: nothing of this machine's identity, no logs or caches, no program that hands out
 * root, one time for every file. A plain bind of the root shows the empty directories below the kernel's file systems.
 */
const script = `set -eu
tools=$1 loader=$2 out=$3 config=$4 text=$5
tool() { name=$1; shift; "$tools/$loader" --library-path "$tools" "$tools/$name" "$@"; }
chown -R 0:0 "$tools"
find / -xdev -type f -perm /6000 -exec chmod ug-s {} + 2>/dev/null || true
for file in /etc/machine-id /etc/resolv.conf; do [ ! -f "$file" ] || : >"$file"; done
printf 'mvm\\n' >/etc/hostname
printf '127.0.0.1 localhost\\n::1 localhost\\n' >/etc/hosts
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
rm -rf /var/lib/apt/lists /var/cache/apt /var/cache/ldconfig /var/lib/dpkg/*-old /var/cache/debconf/*-old /root/.cache
[ ! -d /var/log ] || find /var/log -type f -delete
[ ! -d /var/tmp ] || find /var/tmp -mindepth 1 -delete
if [ -n "$text" ]; then mkdir -p "$(dirname "$config")"; printf '%s' "$text" >"$config"; else rm -f "$config"; fi
mkdir -p "$out" "$tools/tree"
tool mount --bind / "$tools/tree"
tool mkfs.erofs --quiet -x-1 -T${imageTime} -U 00000000-0000-0000-0000-000000000000 \\
  '--exclude-regex=^(dev|run|tmp)/' "$out/root.erofs" "$tools/tree"`;
