import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { BuildStep } from "@mvm/images";
import type { BuildMachine } from "./machine.js";
import { receive } from "./receive.js";
import { runSteps, type StepOptions } from "./run-steps.js";

type CopyFrom = Extract<BuildStep, { kind: "copy-from" }>;

/** Archives of what steps take from elsewhere, on the host. */
export type CopyArchives = ReadonlyMap<BuildStep, string>;

/** Starts a machine of an image, gives it to `work` and ends it, however that ends. */
export type WithMachine = <Result>(image: string, work: (machine: BuildMachine) => Promise<Result>) => Promise<Result>;

/**
 * Makes what steps copy from, each source once and in a machine of its own, and takes the wanted files out as they are copied:
 * packed by the source's machine, and never looked into by this host. Sources of sources come first.
 */
export async function copySources(
  steps: readonly BuildStep[],
  withMachine: WithMachine,
  options: Omit<StepOptions, "archives">,
): Promise<CopyArchives> {
  const archives = new Map<BuildStep, string>();
  const wanted = steps.filter(isCopyFrom);
  const sources = new Map(wanted.map(({ sha256, source }) => [sha256, source]));
  for (const [sha256, source] of sources) {
    const nested = await copySources(source.recipe.steps, withMachine, options);
    await withMachine(source.image, async (machine) => {
      await runSteps(machine, source.recipe.steps, { ...options, archives: nested });
      for (const copy of wanted.filter((step) => step.sha256 === sha256)) {
        archives.set(copy, await takeOut(machine, copy, options));
      }
    });
  }
  return archives;
}

function isCopyFrom(step: BuildStep): step is CopyFrom {
  return step.kind === "copy-from";
}

async function takeOut(
  machine: BuildMachine,
  { text, paths }: CopyFrom,
  options: Omit<StepOptions, "archives">,
): Promise<string> {
  const id = randomBytes(8).toString("hex");
  const packed = `/tmp/mvm-copy-${id}`;
  const file = join(options.directory, `from-${id}.tar`);
  await machine.run({ argv: ["/bin/sh", "-c", pack, "copy", packed, ...paths] }, text);
  await receive(machine, `${packed}.tar`, file, options.onProgress);
  return file;
}

/**
 * Sources in numbered directories, as an archive of the context has them. Patterns and links of the path that is named are
 * resolved by the guest, within its own root; links below stay links. Every owner is root, as of any copy.
 */
const pack = `set -eu
out=$1; shift
IFS=
count=0
mkdir "$out"
for pattern in "$@"; do
  found=
  for path in $pattern; do
    [ -e "$path" ] || continue
    found=yes
    real=$(readlink -f "$path")
    if [ "$real" = / ]; then echo "the whole root cannot be copied" >&2; exit 3; fi
    if [ -d "$real" ]; then
      mkdir -p "$out/$count/dir"
      cp -a "$real/." "$out/$count/dir/"
    else
      mkdir -p "$out/$count/file"
      cp -a "$real" "$out/$count/file/\${path##*/}"
    fi
    count=$((count + 1))
  done
  if [ -z "$found" ]; then echo "there is no $pattern" >&2; exit 3; fi
done
chown -hR 0:0 "$out"
tar -C "$out" -cf "$out.tar" .`;
