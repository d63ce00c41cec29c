import { join } from "node:path";
import { archiveKind, packageOfStorePath, type PackageRecord, type RecipeStep } from "@mvm/images";
import { BuildError } from "@mvm/protocol";
import type { Progress } from "../../backends/backend.js";
import type { BuildMachine } from "../build/machine.js";
import { receive } from "../build/receive.js";
import { flakeFailure } from "./failure.js";
import { requireFetchable } from "./missing.js";
import { Nix } from "./nix.js";
import { builtPath, closurePaths } from "./outputs.js";

export type FlakeStep = Extract<RecipeStep, { kind: "flake" }>;

export interface FlakeBuild {
  readonly step: FlakeStep;
  /** Tars of binary caches that are folders of this host. */
  readonly folders: readonly string[];
  /** Whether the machine reaches anything. */
  readonly offline: boolean;
  readonly directory: string;
  readonly log: string;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** What came out of the machine: a file of the host, and how it is read. */
export interface FlakeResult {
  /** As `image pull` is told. */
  readonly place: string;
  readonly packages: PackageRecord[];
}

const flakeDirectory = "/tmp/mvm-flake";
const result = "/tmp/mvm-result.tar";

/**
 * Evaluates and builds a flake inside the machine and takes its output out as one tar. The output becomes the root of the image,
 * and the store paths it refers to come along; an output that is a file is an image or a root file system of its own.
 * @throws {BuildError} context.reason says which of the known causes it was
 */
export async function buildFlake(machine: BuildMachine, options: FlakeBuild): Promise<FlakeResult> {
  const { step, onProgress, log } = options;
  const what = step.text;
  await machine.unpack(step.archive, flakeDirectory, "bringing in the flake");
  const substituters = [...step.substituters];
  for (const [index, archive] of options.folders.entries()) {
    const directory = `/tmp/mvm-cache-${index}`;
    onProgress?.({ phase: "copy", detail: `binary cache ${index + 1}/${options.folders.length}` });
    await machine.unpack(archive, directory, "bringing in a binary cache");
    substituters.push(`file://${directory}/0/dir`);
  }
  const nix = new Nix(machine, { log, substituters, trustedKeys: step.trustedKeys, onProgress });
  const wanted = `path:${flakeDirectory}/0/dir#${step.attribute}`;
  const build = ["build", "--no-link", "--no-update-lock-file", "--json"];
  onProgress?.({ phase: "evaluate", detail: step.attribute });
  const dryRun = await nix.run([...build, "--dry-run", wanted]);
  if (dryRun.exitCode !== 0) throw flakeFailure(what, dryRun);
  if (options.offline) await requireFetchable(nix, what, dryRun);
  onProgress?.({ phase: "build", detail: step.attribute });
  const built = await nix.run([...build, wanted]);
  if (built.exitCode !== 0) throw flakeFailure(what, built);
  const output = builtPath(built.stdout);
  if (output === undefined) {
    throw unusable(what, "no_single_output", "it has no single output that an image could be made of");
  }
  const closure = closurePaths((await nix.run(["path-info", "--recursive", "--json", output])).stdout);
  onProgress?.({ phase: "pack" });
  await machine.run({ argv: ["/bin/bash", "-c", pack, "pack", output, result] }, "packing");
  const file = join(options.directory, "flake.tar");
  await receive(machine, result, file, onProgress);
  const kind = await archiveKind(file).catch((error: unknown) => {
    throw unusable(what, "no_archive", "its output is a file, but no tar of an image or of a root", error);
  });
  const packages = closure.map(packageOfStorePath).filter((found) => found !== undefined);
  return { place: `${kind}:${file}`, packages };
}

function unusable(what: string, reason: string, why: string, cause?: unknown): BuildError {
  return new BuildError({
    message: `Cannot build ${what}: ${why}`,
    hint: "Name an attribute that is one derivation with a directory or a tar as its output `out`",
    operation: "images.build",
    context: { reason },
    cause,
  });
}

/**
 * A directory becomes the root, writable for its owner as a root is, with one time and owner for every file; below it the store
 * paths it refers to, as Nix left them. The output itself is among those only where something in it names it.
 */
const pack = `set -eu -o pipefail
out=$(readlink -f "$1") to=$2
form="--format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime --sort=name --numeric-owner --owner=0 --group=0 --mtime=@1"
if [ -f "$out" ]; then
  if gzip -t "$out" 2>/dev/null; then gzip -dc "$out" >"$to"
  elif xz -t "$out" 2>/dev/null; then xz -dc "$out" >"$to"
  else cat "$out" >"$to"; fi
  exit 0
fi
tar $form --mode=u+w -C "$out" -cf "$to" .
own=$(nix-store --query --references "$out" | grep -xF "$out" || true)
nix-store --query --requisites "$out" | { grep -vxF "$out" || true; } | sort >"$to.paths"
[ -z "$own" ] || printf '%s\\n' "$own" >>"$to.paths"
[ ! -s "$to.paths" ] || sed 's|^/||' "$to.paths" | tar $form -C / -rf "$to" --files-from=-
`;
