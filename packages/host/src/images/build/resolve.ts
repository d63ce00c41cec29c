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
import type { PackageSources } from "./package-sources.js";

/** A build whose every input is known and lies still: nothing has run yet. */
export interface ResolvedBuild {
  readonly recipe: Recipe;
  readonly base: ResolvedImage;
  readonly network: NetworkPolicyDocument;
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
  if (wanted.from === undefined) {
    throw new InvalidArgumentError({
      message: "Cannot build the image: nothing says what it starts from",
      hint: "Name an image to start from, or a Dockerfile",
      context: { pointer: "/recipe/from" },
    });
  }
  const packages = packageSteps(wanted, options.sources);
  const base = await services.images.ready(wanted.from, options);
  const config = withWarmUp(base.record.config ?? emptyConfig, wanted);
  const network = networkOf(wanted, options.sources);
  return { recipe: { base: base.record.digest, steps: packages, config }, base, network };
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
