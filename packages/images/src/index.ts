export { catalogue, catalogueEntry, defaultImage, type CatalogueEntry } from "./catalogue.js";
export { buildImage, type BuildImageOptions } from "./build-image.js";
export { ensureBootAssets, type BootAssetOptions, type BootAssets, type BootRecord } from "./boot-assets.js";
export { fetchKernel, installedKernel, type Kernel } from "./kernel.js";
export { openImageStore, ImageStore, type ResolvedImage } from "./store.js";
export {
  type BuildRecord,
  digestPattern,
  imageNamePattern,
  type ImageRecord,
  type OriginRecord,
  type PackageRecord,
} from "./manifest.js";
export { type MadeOf, type Origins, originsOf } from "./provenance.js";
export { sbomOf, sbomText, sbomType } from "./sbom.js";
export { parseReference, type ImageReference } from "./reference.js";
export { sourceOptionsFromEnvironment, type DebianSourceOptions } from "./debian-source.js";
export { sweepBuildTemps } from "./build-temp.js";
export { imageLayout, type ImageLayout } from "./layout.js";
export { runnerArgv, runnerLanguage, type RunnerLanguage } from "./runners.js";
export type { BuildControl, OnProgress, ProgressEvent } from "./progress.js";
export { publishImage } from "./publish.js";
export { removeUnrecorded, unrecordedImages } from "./unrecorded.js";
export { makeBuildTemp } from "./build-temp.js";
export { makeImageLayout } from "./layout.js";
export { dpkgOptions } from "./rootfs.js";
export { checkErofs } from "./erofs.js";
export { imageTime } from "./finish-script.js";
export { imageError } from "./errors.js";
export { configPath, emptyConfig, isEmptyConfig, type ImageConfig, type WarmUp } from "./image-config.js";
export { BuildCache, type CacheAnswer } from "./recipe/build-cache.js";
export {
  recipeKey,
  recipeParts,
  type BuildStep,
  type CopiedFrom,
  type Recipe,
  type RecipeParts,
  type RecipeStep,
} from "./recipe/recipe.js";
export { canonicalName, packageManagers, parseWish, type PackageManager, type PackageWish } from "./packages/wish.js";
export { type DebOrder, fetchDebs } from "./packages/debs.js";
export { isAllowed, requireAllowed, type AllowList } from "./packages/allow-list.js";
export { type ArchiveSource, packArchive } from "./recipe/archive.js";
export { BuildContext } from "./dockerfile/context.js";
export { interpret, type Interpreted, type WantedCopy } from "./dockerfile/interpret.js";
export { parseDockerfile } from "./dockerfile/parse.js";
export { type CopySource, type Stage, type StageChain, stagesOf } from "./dockerfile/stages.js";
export { flakeAttribute, flakeName, type FlakePlace, parseFlake } from "./flake/place.js";
export { packFlake } from "./flake/source.js";
export { isStorePath, packageOfStorePath } from "./flake/store-path.js";
export { archiveKind } from "./oci/archive-kind.js";
export { pullImage, type PullOptions } from "./oci/pull.js";
export { canonicalRegistry, type ImagePlace, namesRegistry, parsePlace, placeName } from "./oci/place.js";
export type { Credentials } from "./oci/registry-auth.js";
export { parseTrustedKey, type ImageSignature, type ImageTrust, type TrustedKey } from "./cosign/trust.js";
