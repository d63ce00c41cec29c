import { SandboxError } from "./base.js";
import type { ErrorName } from "./tree.js";

/** An image, kernel or other asset cannot be used. */
export class AssetError extends SandboxError {
  static override readonly errorName: ErrorName = "AssetError";
}

/** An asset could not be downloaded. */
export class AssetDownloadError extends AssetError {
  static override readonly errorName = "AssetDownloadError";
}

/** An asset's bytes do not have their digest. */
export class AssetChecksumError extends AssetError {
  static override readonly errorName = "AssetChecksumError";
}

/** No asset has that name. */
export class AssetNotFoundError extends AssetError {
  static override readonly errorName = "AssetNotFoundError";
}

/** A snapshot could not be saved, read or removed. */
export class SnapshotError extends SandboxError {
  static override readonly errorName: ErrorName = "SnapshotError";
}

/** A snapshot does not match its seal or this host. */
export class SnapshotMismatchError extends SnapshotError {
  static override readonly errorName = "SnapshotMismatchError";
}
