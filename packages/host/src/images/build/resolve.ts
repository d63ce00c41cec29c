import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  BuildContext,
  type BuildStep,
  emptyConfig,
  type ImageConfig,
  interpret,
  packArchive,
  packageManagers,
  parseDockerfile,
  parseWish,
  type Recipe,
  requireAllowed,
  type ResolvedImage,
  stagesOf,
  type WantedCopy,
} from "@mvm/images";
import { type ImageBuildRecipe, InvalidArgumentError, type NetworkPolicyDocument } from "@mvm/protocol";
import type { Services } from "../../sandboxes/services.js";
import type { BuildOptions } from "./build.js";
import type { FlakeStep } from "../flake/build.js";
import { requireDebian } from "./install-debs.js";
import { type ResolvedFlake, resolveFlake } from "../flake/resolve.js";
import type { PackageSources } from "../../packages/package-sources.js";

/** A build whose every input is known and lies still: nothing has run yet. */
export type ResolvedBuild = ResolvedSteps | ResolvedFlakeBuild;

interface Resolved {
  /** The image of the build's machine. */
  readonly base: ResolvedImage;
  readonly network: NetworkPolicyDocument;
}

/** Steps that change what the machine starts from. */
export interface ResolvedSteps extends Resolved {
  readonly kind: "steps";
  readonly recipe: Recipe<BuildStep>;
}

/** A flake, of which the machine is only the place it is built in. */
export interface ResolvedFlakeBuild extends Resolved {
  readonly kind: "flake";
  readonly recipe: Recipe<FlakeStep>;
  readonly flake: ResolvedFlake;
}

export interface ResolveOptions extends BuildOptions {
  /** Temporary directory of the build. */
  readonly directory: string;
  readonly log: string;
  readonly sources: PackageSources;
}

/**
 * Settles what a build starts from, what its steps are and what it may reach.
 * @throws {InvalidArgumentError | PackageNotAllowedError}
 */
export async function resolveBuild(
  services: Services,
  wanted: ImageBuildRecipe,
  options: ResolveOptions,
): Promise<ResolvedBuild> {
  if (wanted.flake !== undefined) return await resolveFlakeBuild(services, wanted, wanted.flake, options);
  if (wanted.dockerfile !== undefined) return await resolveDockerfile(services, wanted, wanted.dockerfile, options);
  if (wanted.from === undefined) {
    throw new InvalidArgumentError({
      message: "Cannot build the image: nothing says what it starts from",
      hint: "Name an image to start from, or a Dockerfile",
      context: { pointer: "/recipe/from" },
    });
  }
  const packages = packageSteps(wanted, options.sources);
  const base = await services.images.ready(wanted.from, options);
  if ((wanted.packages?.apt ?? []).length > 0) requireDebian(base.record);
  const config = withWarmUp(base.record.config ?? emptyConfig, wanted);
  const network = networkOf(wanted, options.sources);
  return { kind: "steps", recipe: { base: base.record.digest, steps: packages, config }, base, network };
}

/** The image that has Nix. */
const builder = "builder";

async function resolveFlakeBuild(
  services: Services,
  wanted: ImageBuildRecipe,
  request: NonNullable<ImageBuildRecipe["flake"]>,
  options: ResolveOptions,
): Promise<ResolvedBuild> {
  if (wanted.from !== undefined || wanted.packages !== undefined || wanted.dockerfile !== undefined) {
    throw new InvalidArgumentError({
      message: "Cannot build the image: a flake starts from nothing and brings its own packages",
      context: { pointer: "/recipe/flake" },
    });
  }
  const flake = await resolveFlake(request, options);
  const base = await services.images.ready(builder, options);
  const recipe = { base: base.record.digest, steps: [flake.step], config: withWarmUp(emptyConfig, wanted) };
  const network = networkOf(wanted, options.sources);
  return { kind: "flake", recipe, base, flake, network: { ...network, allow: [...network.allow, ...flake.rules] } };
}

type DockerfileRequest = NonNullable<ImageBuildRecipe["dockerfile"]>;

/** Everything the Dockerfile copies is packed here, before anything runs: what is hashed is what the machine gets. */
async function resolveDockerfile(
  services: Services,
  wanted: ImageBuildRecipe,
  { context: directory, file = join(directory, "Dockerfile"), build_args: given = {}, target }: DockerfileRequest,
  options: ResolveOptions,
): Promise<ResolvedBuild> {
  if (wanted.from !== undefined || wanted.packages !== undefined) {
    throw new InvalidArgumentError({
      message: "Cannot build the image: a Dockerfile names what it starts from and installs its own packages",
      context: { pointer: "/recipe/dockerfile" },
    });
  }
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidArgumentError({ message: `Cannot read the Dockerfile: ${code}`, hint: "Name it with --file" });
  });
  const { from, chain, global } = stagesOf(parseDockerfile(text), given, target);
  const context = await BuildContext.open(directory);
  const base = await services.images.ready(from, options);
  const { steps, config } = interpret(chain, base.record.config ?? emptyConfig, given, global);
  const packed: BuildStep[] = [];
  for (const [index, step] of steps.entries()) {
    packed.push(step.kind === "wanted-copy" ? await packCopy(context, step, index, options) : step);
  }
  const recipe = { base: base.record.digest, steps: packed, config: withWarmUp(config, wanted) };
  return { kind: "steps", recipe, base, network: networkOf(wanted, options.sources) };
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

function packageSteps({ packages = {} }: ImageBuildRecipe, sources: PackageSources): BuildStep[] {
  const wishes = packageManagers.flatMap((manager) =>
    (packages[manager] ?? []).map((spec) => parseWish(manager, spec)),
  );
  requireAllowed(sources.allow, wishes);
  return packageManagers.flatMap((manager): BuildStep[] => {
    const specs = wishes.filter((wish) => wish.manager === manager).map(({ spec }) => spec);
    const text = `${manager} install ${specs.join(" ")}`;
    return specs.length === 0 ? [] : [{ kind: "packages", text, manager, specs, index: sources.index(manager) }];
  });
}

function withWarmUp(config: ImageConfig, { warm }: ImageBuildRecipe): ImageConfig {
  if (warm === undefined) return config;
  return { ...config, warm: { run: warm.run ?? [], serve: warm.serve ?? null, ready: warm.ready ?? null } };
}

function networkOf({ packages = {}, network }: ImageBuildRecipe, sources: PackageSources): NetworkPolicyDocument {
  const used = packageManagers.filter((manager) => (packages[manager] ?? []).length > 0);
  return { default: "deny", allow: [...(network?.allow ?? []), ...used.flatMap((manager) => sources.rules(manager))] };
}
