export { installRelease, releasedAgent, type InstallOptions } from "./install.js";
export { idleParts } from "./download.js";
export { verifyRelease } from "./verify.js";
export { openSource, type ReleaseSource } from "./source.js";
export { packRelease, readPrivateKey, type PackOptions } from "./pack.js";
export type { KeylessIdentity } from "./keyless.js";
export { trustOfKey, type ReleaseTrust } from "./trust.js";
export type { AssetKind, ReleaseAsset, ReleaseManifest } from "./manifest.js";
