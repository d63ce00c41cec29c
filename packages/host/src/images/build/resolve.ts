import {
  type BuildStep,
  emptyConfig,
  type ImageConfig,
  packageManagers,
  parseWish,
  type Recipe,
  requireAllowed,
  type ResolvedImage,
} from "@mvm/images";
import { type ImageBuildRecipe, InvalidArgumentError, type NetworkPolicyDocument } from "@mvm/protocol";
import type { Services } from "../../sandboxes/services.js";
import type { BuildOptions } from "./build.js";
import type { FlakeStep } from "../flake/build.js";
import { requireDebian } from "./install-debs.js";
import { type DockerfileRequest, resolveDockerfile } from "./resolve-dockerfile.js";
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
  if (wanted.dockerfile !== undefined) return await resolveStages(services, wanted, wanted.dockerfile, options);
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

async function resolveStages(
  services: Services,
  wanted: ImageBuildRecipe,
  request: DockerfileRequest,
  options: ResolveOptions,
): Promise<ResolvedBuild> {
  if (wanted.from !== undefined || wanted.packages !== undefined) {
    throw new InvalidArgumentError({
      message: "Cannot build the image: a Dockerfile names what it starts from and installs its own packages",
      context: { pointer: "/recipe/dockerfile" },
    });
  }
  const { base, steps, config } = await resolveDockerfile(services, request, options);
  const recipe = { base: base.record.digest, steps, config: withWarmUp(config, wanted) };
  return { kind: "steps", recipe, base, network: networkOf(wanted, options.sources) };
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
