import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { BuildStep } from "@mvm/images";
import type { BuildMachine } from "./machine.js";
import { maxBytes, receive } from "./receive.js";
import { runSteps, type StepOptions } from "./run-steps.js";

type CopyFrom = Extract<BuildStep, { kind: "copy-from" }>;

/** Archives of what steps take from elsewhere, on the host. */
export type CopyArchives = ReadonlyMap<BuildStep, string>;

/** Starts a machine of an image, gives it to `work` and ends it, however that ends. */
export type WithMachine = <Result>(image: string, work: (machine: BuildMachine) => Promise<Result>) => Promise<Result>;

/**
 * Makes what steps copy from, each source once and in a machine of its own, however many steps and other sources take from it,
 * and takes the wanted files out as they are copied: packed by the source's machine, and never looked into by this host. All
 * of a build together may be as large as one image.
 */
export async function copySources(
  steps: readonly BuildStep[],
  withMachine: WithMachine,
  options: Omit<StepOptions, "archives">,
): Promise<CopyArchives> {
  const archives = new Map<BuildStep, string>();
  const wanted = copiesOf(steps);
  const sources = new Map(wanted.map(({ sha256, source }) => [sha256, source]));
  let room = maxBytes;
  for (const [sha256, source] of sources) {
    await withMachine(source.image, async (machine) => {
      await runSteps(machine, source.recipe.steps, { ...options, archives });
      for (const copy of wanted.filter((step) => step.sha256 === sha256)) {
        const { file, bytes } = await takeOut(machine, copy, room, options);
        archives.set(copy, file);
        room -= bytes;
      }
    });
  }
  return archives;
}

/** Digests of the images that anything comes from which steps copy from elsewhere. */
export function sourceImages(steps: readonly BuildStep[]): string[] {
  return [...new Set(copiesOf(steps).map(({ source }) => source.recipe.base))].sort();
}

/** All copies from elsewhere that steps need, those of what they copy from included and in front of them. */
function copiesOf(steps: readonly BuildStep[], found = new Set<CopyFrom>()): CopyFrom[] {
  for (const step of steps) {
    if (step.kind !== "copy-from" || found.has(step)) continue;
    copiesOf(step.source.recipe.steps, found);
    found.add(step);
  }
  return [...found];
}

async function takeOut(
  machine: BuildMachine,
  { text, paths }: CopyFrom,
  most: number,
  { directory, onProgress }: Omit<StepOptions, "archives">,
): Promise<{ file: string; bytes: number }> {
  const id = randomBytes(8).toString("hex");
  const packed = `/tmp/mvm-copy-${id}`;
  const file = join(directory, `from-${id}.tar`);
  await machine.run({ argv: ["/bin/sh", "-c", pack, "copy", packed, ...paths] }, text);
  const bytes = await receive(machine, `${packed}.tar`, file, onProgress, most);
  await machine.run({ argv: ["rm", "-rf", packed, `${packed}.tar`] }, text);
  return { file, bytes };
}

/**
 * Sources in numbered directories, as an archive of the context has them. Patterns and links of the path that is named are
 * resolved by the guest, within its own root; links below stay links. Every owner is root, as of any copy. What the kernel shows
 * below the root, and what is being packed, is not among its files.
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
    if [ "$real" = / ] || [ "$real" = /tmp ]; then
      mkdir -p "$out/$count/dir"
      for entry in "$real"/* "$real"/.[!.]*; do
        case \${entry#/} in
          /dev | /proc | /run | /sys | /tmp | tmp/mvm-*) continue ;;
        esac
        [ ! -e "$entry" ] && [ ! -L "$entry" ] || cp -a "$entry" "$out/$count/dir/"
      done
    elif [ -d "$real" ]; then
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
