import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BuildCache,
  type BuildRecord,
  catalogue,
  imageNamePattern,
  isEmptyConfig,
  makeBuildTemp,
  makeImageLayout,
  openImageStore,
  type ImageLayout,
  publishImage,
  pullImage,
  recipeKey,
  recipeParts,
  type ResolvedImage,
  sweepBuildTemps,
} from "@mvm/images";
import { type ImageBuildRecipe, InvalidArgumentError, type NetworkPolicyDocument } from "@mvm/protocol";
import type { Progress } from "../../backends/backend.js";
import type { Services } from "../../sandboxes/services.js";
import { buildFlake } from "../flake/build.js";
import { BuildMachine } from "./machine.js";
import { copySources, sourceImages, type WithMachine } from "./copy-sources.js";
import { packRoot } from "./pack.js";
import { type PackageSources, packageSources } from "../../packages/package-sources.js";
import { installedPackages } from "./inventory.js";
import { resolveBuild, type ResolvedFlakeBuild, type ResolvedSteps } from "./resolve.js";
import { runSteps } from "./run-steps.js";
import { makeWarmTemplate, namedBefore } from "./warm-template.js";
import { packingTools } from "./tools.js";

/** Memory of a build's machine: installers need more than what they install. MiB. */
const defaultMemoryMb = 1024;

/** What a build gave, and whether anything had to be done for it. */
export interface BuiltImage {
  readonly image: ResolvedImage;
  /** Why the cache did not have it; null: it had. */
  readonly missed: string | null;
}

export interface BuildOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Builds an image inside a machine of its own and points `name` at it. Whatever the build runs, runs in there; the host copies
 * bytes in and takes one file out, which it checks, hashes and only then names. Killed at any moment it leaves nothing but a
 * temporary directory, which the next build removes.
 * @throws {PackageNotAllowedError | PolicyDenied | InvalidArgumentError} before anything runs
 * @throws {BuildError} naming the step that failed
 */
export async function buildInMachine(
  services: Services,
  name: string,
  wanted: ImageBuildRecipe,
  options: BuildOptions,
): Promise<BuiltImage> {
  checkName(name);
  const meter = services.meters.build(name);
  const onProgress = (progress: Progress): void => {
    meter.phase(progress.phase);
    options.onProgress?.(progress);
  };
  try {
    const built = await cachedOrMade(services, name, wanted, { ...options, onProgress });
    meter.ended({ digest: built.image.record.digest, hit: built.missed === null });
    onProgress({ phase: "done", detail: built.image.record.digest });
    return built;
  } catch (error) {
    meter.ended({ error });
    throw error;
  }
}

async function cachedOrMade(
  services: Services,
  name: string,
  wanted: ImageBuildRecipe,
  options: BuildOptions,
): Promise<BuiltImage> {
  const home = services.home.root;
  const layout = await makeImageLayout(home);
  await sweepBuildTemps(home);
  const temp = await makeBuildTemp(home);
  try {
    options.onProgress?.({ phase: "resolve" });
    const log = join(layout.logs, `image-${name}.log`);
    writeFileSync(log, "", { mode: 0o600 });
    const place = { directory: temp.path, log };
    const sources = packageSources(services.home.policy);
    const plan = await resolveBuild(services, wanted, { ...options, ...place, sources });
    const tools = plan.kind === "flake" ? undefined : await packingTools();
    const parts = recipeParts(plan.recipe, tools?.sha256 ?? "nix");
    const store = openImageStore(home);
    const cache = new BuildCache(layout, store);
    const known = await cache.look(name, parts, wanted.cache !== false);
    if ("image" in known) {
      await store.point(name, known.image.record.digest);
      await cache.remember(name, parts, known.image.record.digest);
      return { image: known.image, missed: null };
    }
    options.onProgress?.({ phase: "cache", detail: `not there: ${known.reason}` });
    const from = plan.kind === "steps" ? sourceImages(plan.recipe.steps) : [];
    const made = { recipe: recipeKey(parts), steps: [...parts.steps], ...(from.length > 0 && { sources: from }) };
    const build = { base: plan.base.record.digest, ...made };
    const making: Making = { ...options, ...place, services, name, wanted, layout, build };
    const before = await namedBefore(store, name);
    const image = plan.kind === "flake" ? await makeOfFlake(plan, making) : await makeOfSteps(plan, making, sources);
    if (plan.recipe.config.warm !== null) await makeWarmTemplate(services, store, image, { ...options, name, before });
    await cache.remember(name, parts, image.record.digest);
    return { image, missed: known.reason };
  } finally {
    await temp.remove();
  }
}

interface Making extends BuildOptions {
  readonly services: Services;
  readonly name: string;
  readonly wanted: ImageBuildRecipe;
  readonly layout: ImageLayout;
  readonly directory: string;
  readonly log: string;
  readonly build: BuildRecord;
}

/** Runs the steps in a machine and makes its root an image. */
async function makeOfSteps(
  { recipe, network, base }: ResolvedSteps,
  making: Making,
  sources: PackageSources,
): Promise<ResolvedImage> {
  const { name, onProgress } = making;
  const file = join(making.directory, "root.erofs");
  const withMachine: WithMachine = (image, work) => inMachine(making, image, network, work);
  const options = { ...making, base: base.record, packages: sources };
  const archives = await copySources(recipe.steps, withMachine, options);
  const packages = await withMachine(imageOf(base), async (machine) => {
    await runSteps(machine, recipe.steps, { ...options, archives });
    const installed = await installedPackages(machine);
    await packRoot(machine, await packingTools(), recipe.config, file, onProgress);
    return installed;
  });
  onProgress?.({ phase: "check" });
  const { suite, architecture, sources: from } = base.record;
  return await publishImage(making.layout, file, {
    ...{ name, created_at: new Date().toISOString(), suite, architecture, packages, sources: from },
    ...(isEmptyConfig(recipe.config) ? {} : { config: recipe.config }),
    build: making.build,
  });
}

/** Builds a flake in a machine and makes what came out of it an image, as if it had been pulled. */
async function makeOfFlake(
  { recipe, network, base, flake }: ResolvedFlakeBuild,
  making: Making,
): Promise<ResolvedImage> {
  const { services, name, directory, log, signal, onProgress, build } = making;
  const { place, packages } = await inMachine(making, imageOf(base), network, (machine) =>
    buildFlake(machine, { ...flake, offline: network.allow.length === 0, directory, log, onProgress }),
  );
  onProgress?.({ phase: "check" });
  const made = { reference: flake.step.text, packages, build, warm: recipe.config.warm };
  return await pullImage({ home: services.home.root, place, name, signal, made });
}

function imageOf({ record: { name, digest } }: ResolvedImage): string {
  return `${name}@${digest}`;
}

async function inMachine<Result>(
  { services, name, wanted, signal, onProgress }: Making,
  image: string,
  network: NetworkPolicyDocument,
  work: (machine: BuildMachine) => Promise<Result>,
): Promise<Result> {
  const { cpu, memory_mb = defaultMemoryMb, disk_mb } = wanted;
  const size = { memory_mb, ...(cpu !== undefined && { cpu }), ...(disk_mb !== undefined && { disk_mb }) };
  const machine = await BuildMachine.open(services, { name, image, network, size, signal, onProgress });
  try {
    return await work(machine);
  } finally {
    await machine.close();
  }
}

function checkName(name: string): void {
  if (imageNamePattern.test(name) && catalogue.every((entry) => entry.name !== name)) return;
  throw new InvalidArgumentError({
    message: `Cannot name the image "${name.slice(0, 64)}": it has to be a name of its own`,
    hint: "Lower-case letters, digits, dots, dashes and underscores; names of the catalogue are taken",
    context: { pointer: "/name" },
  });
}
