import { createReadStream } from "node:fs";
import { appendFile } from "node:fs/promises";
import type { BuildStep, ImageRecord } from "@mvm/images";
import type { Progress } from "../../backends/backend.js";
import type { BuildMachine } from "./machine.js";
import type { CopyArchives } from "./copy-sources.js";
import { installDebs } from "./install-debs.js";
import { installPackages } from "../../packages/installers.js";
import type { PackageSources } from "../../packages/package-sources.js";

/** Where sources of a copy wait inside the machine; never part of the image. */
const stage = "/tmp/mvm-stage";

export interface StepOptions {
  /** What the machine started from. */
  readonly base: ImageRecord;
  /** Temporary directory of the build. */
  readonly directory: string;
  readonly log: string;
  readonly packages: PackageSources;
  /** What copies from other stages and images bring. */
  readonly archives: CopyArchives;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Carries out the steps of a recipe, in order, inside the machine. @throws {BuildError} naming the step */
export async function runSteps(
  machine: BuildMachine,
  steps: readonly BuildStep[],
  options: StepOptions,
): Promise<void> {
  const { log, onProgress } = options;
  let writing = Promise.resolve();
  const onOutput = (text: Buffer): void => {
    writing = writing.then(() => appendFile(log, text, { mode: 0o600 })).catch(() => undefined);
  };
  for (const [index, step] of steps.entries()) {
    const detail = `${index + 1}/${steps.length} ${step.text.split("\n", 1)[0]?.slice(0, 120) ?? ""}`;
    onProgress?.({ phase: step.kind, detail });
    onOutput(Buffer.from(`# ${step.text}\n`));
    switch (step.kind) {
      case "run": {
        const { argv, env, cwd, user } = step;
        await machine.run({ argv, env, cwd, user, onOutput }, step.text);
        break;
      }
      case "directory":
        await machine.run({ argv: ["/bin/sh", "-c", makeDirectory, "mkdir", step.path, step.owner] }, step.text);
        break;
      case "copy":
      case "copy-from": {
        const archive = step.kind === "copy" ? step.archive : options.archives.get(step);
        if (archive === undefined) throw new Error("a copy without its archive");
        const unpack = ["/bin/sh", "-c", "rm -rf $0 && mkdir -p $0 && cd $0 && exec tar -xpf -", stage];
        await machine.run({ argv: unpack, input: createReadStream(archive) }, step.text);
        const argv = ["/bin/sh", "-c", place, "copy", stage, step.to, step.owner, step.mode ?? ""];
        await machine.run({ argv, onOutput }, step.text);
        break;
      }
      case "packages":
        if (step.manager === "apt") await installDebs(machine, step.specs, { ...options, onOutput });
        else await installPackages(machine, { ...step, manager: step.manager }, options.packages, onOutput);
        break;
    }
  }
  await writing;
}

const makeDirectory = `[ -d "$1" ] || { mkdir -p "$1" && { [ -z "$2" ] || chown "$2" "$1"; }; }`;

/** Each source lies in a numbered directory: a directory's content, or a file. Paths of the guest are resolved by the guest. */
const place = `set -eu
stage=$1 to=$2 owner=$3 mode=$4
[ -z "$owner" ] || chown -hR "$owner" "$stage"
[ -z "$mode" ] || find "$stage" ! -type l -exec chmod "$mode" {} +
count=$(ls -A "$stage" | wc -l)
each() { find "$1" -mindepth 1 -maxdepth 1 -exec cp "$2" {} "$3" ';'; }
for source in "$stage"/*; do
  if [ -d "$source/dir" ]; then
    mkdir -p "$to"
    each "$source/dir" -a "$to/"
  elif [ "$count" -gt 1 ] || [ -d "$to" ] || [ "\${to%/}" != "$to" ]; then
    mkdir -p "$to"
    each "$source/file" -a "$to/"
  else
    mkdir -p "$(dirname "$to")"
    each "$source/file" -aT "$to"
  fi
done
rm -rf "$stage"`;
