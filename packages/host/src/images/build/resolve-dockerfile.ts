import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import {
  BuildContext,
  type BuildStep,
  type CopiedFrom,
  emptyConfig,
  type ImageConfig,
  interpret,
  packArchive,
  parseDockerfile,
  recipeKey,
  recipeParts,
  type ResolvedImage,
  type StageChain,
  stagesOf,
  type WantedCopy,
} from "@mvm/images";
import { AssetNotFoundError, type ImageBuildRecipe, InvalidArgumentError } from "@mvm/protocol";
import type { Services } from "../../sandboxes/services.js";
import type { ResolveOptions } from "./resolve.js";

export type DockerfileRequest = NonNullable<ImageBuildRecipe["dockerfile"]>;

/** What a Dockerfile comes to: an image and what is done in a machine of it. */
export interface ResolvedDockerfile {
  readonly base: ResolvedImage;
  readonly steps: BuildStep[];
  readonly config: ImageConfig;
}

/**
 * Reads a Dockerfile and everything it copies. What is copied is packed here, before anything runs: what is hashed is what the
 * machine gets. What comes from other stages is settled the same way, down to what those stages copy.
 * @throws {InvalidArgumentError} naming the line
 */
export async function resolveDockerfile(
  services: Services,
  { context: directory, file = join(directory, "Dockerfile"), build_args: given = {}, target }: DockerfileRequest,
  options: ResolveOptions,
): Promise<ResolvedDockerfile> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidArgumentError({ message: `Cannot read the Dockerfile: ${code}`, hint: "Name it with --file" });
  });
  const stages = stagesOf(parseDockerfile(text), given, target);
  const context = await BuildContext.open(directory);
  const resolved = new Map<number, Promise<ResolvedDockerfile>>();
  let copies = 0;

  /** Each stage once, however many copies take from it. */
  const resolve = (wanted: StageChain): Promise<ResolvedDockerfile> => {
    const last = wanted.chain.at(-1)?.index ?? -1;
    const known = resolved.get(last) ?? resolveChain(wanted);
    resolved.set(last, known);
    return known;
  };
  const resolveChain = async ({ from, chain }: StageChain): Promise<ResolvedDockerfile> => {
    const base = await services.images.ready(from, options);
    const { steps, config } = interpret(chain, base.record.config ?? emptyConfig, given, stages.global);
    const settled: BuildStep[] = [];
    for (const step of steps) {
      if (step.kind !== "wanted-copy") settled.push(step);
      else if (step.from === null) settled.push(await packCopy(context, step, copies++, options));
      else settled.push(copyFrom(step, await sourceOf(step.from)));
    }
    return { base, steps: settled, config };
  };
  const sourceOf = async (from: NonNullable<WantedCopy["from"]>): Promise<CopiedFrom> => {
    const stage = stages.source(from);
    const { base, steps, config } = stage === undefined ? await imageOf(services, from, options) : await resolve(stage);
    const { name, digest } = base.record;
    return { image: `${name}@${digest}`, recipe: { base: digest, steps, config } };
  };
  return await resolve(stages);
}

async function imageOf(
  services: Services,
  { name, line }: NonNullable<WantedCopy["from"]>,
  options: ResolveOptions,
): Promise<ResolvedDockerfile> {
  const base = await services.images.ready(name, options).catch((error: unknown) => {
    if (!(error instanceof AssetNotFoundError)) throw error;
    throw new InvalidArgumentError({
      message: `Cannot build line ${line} of the Dockerfile: there is neither a stage nor an image "${name}"`,
      hint: `Name an earlier stage, or bring the image first: \`mvmctl image pull ${name}\``,
      cause: error,
    });
  });
  return { base, steps: [], config: emptyConfig };
}

function copyFrom({ text, sources, to, owner, mode }: WantedCopy, source: CopiedFrom): BuildStep {
  const paths = sources.map((path) => posix.resolve("/", path));
  return { kind: "copy-from", text, source, sha256: recipeKey(recipeParts(source.recipe, "")), paths, to, owner, mode };
}

async function packCopy(
  context: BuildContext,
  copy: WantedCopy,
  index: number,
  { directory, log, signal }: ResolveOptions,
): Promise<BuildStep> {
  const { text, to, owner, mode } = copy;
  const place = { directory: join(directory, `copy-${index}`), log, signal };
  const { archive, sha256 } = await packArchive(context.sources(copy), join(directory, `copy-${index}.tar`), place);
  return { kind: "copy", text, archive, sha256, to, owner, mode };
}
