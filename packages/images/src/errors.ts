import {
  AssetChecksumError,
  AssetDownloadError,
  AssetNotFoundError,
  BuildError,
  InvalidArgumentError,
  VmDependencyError,
  type SandboxError,
} from "@mvm/protocol/errors";

const classes = {
  not_found: AssetNotFoundError,
  checksum: AssetChecksumError,
  download: AssetDownloadError,
  build: BuildError,
  dependency: VmDependencyError,
  invalid: InvalidArgumentError,
} as const;

/** What can go wrong with an image or a boot asset; each kind is one class of the project's error tree. */
export type ImageErrorKind = keyof typeof classes;

/** The only way this package makes an error on purpose. Without a `hint` the error table's own is used. */
export function imageError(
  kind: ImageErrorKind,
  message: string,
  options: { hint?: string; cause?: unknown } = {},
): SandboxError {
  return new classes[kind]({ message, operation: "images", ...options });
}
