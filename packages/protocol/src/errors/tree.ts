/** One class of the error tree, as plain data. */
export interface ErrorClassRow {
  /** Name of the parent class; null for the root. */
  readonly parent: string | null;
  /** Extra fields in snake_case, as in the error document. */
  readonly fields: readonly string[];
  /** The code of an instance that is constructed without one. */
  readonly code: string;
}

const row = (parent: string | null, code: string, ...fields: string[]): ErrorClassRow => ({ parent, code, fields });

/** The class tree, parents before children. Every language builds its classes from this. */
export const errorTree = {
  SandboxError: row(null, "INTERNAL"),
  CommandFailed: row("SandboxError", "COMMAND_FAILED", "result"),
  Timeout: row("SandboxError", "DEADLINE_EXCEEDED", "result"),
  PolicyDenied: row("SandboxError", "POLICY_DENIED", "rule"),
  PackageNotAllowedError: row("PolicyDenied", "PACKAGE_NOT_ALLOWED"),
  SandboxUnavailable: row("SandboxError", "SANDBOX_UNAVAILABLE", "state", "reason"),
  BackendUnsupported: row("SandboxError", "BACKEND_UNSUPPORTED", "backend", "feature"),
  InvalidArgumentError: row("SandboxError", "INVALID_ARGUMENT"),
  EnvVarValidationError: row("InvalidArgumentError", "ENV_INVALID"),
  TransportError: row("SandboxError", "TRANSPORT_FAILED"),
  SocketAuthError: row("TransportError", "SOCKET_AUTH", "expected_uid", "actual_uid"),
  OutcomeUnknownError: row("TransportError", "OUTCOME_UNKNOWN"),
  TransientError: row("SandboxError", "TRANSIENT"),
  VmTransientError: row("TransientError", "VM_TRANSIENT"),
  VmBootTimeoutError: row("VmTransientError", "VM_BOOT_TIMEOUT"),
  VmOverlayError: row("VmTransientError", "VM_OVERLAY_FAILED", "stderr", "error_class"),
  VmQemuCrashError: row("VmTransientError", "VM_CRASHED"),
  VmNetworkError: row("VmTransientError", "VM_NETWORK_FAILED"),
  VmCapacityError: row("VmTransientError", "VM_CAPACITY"),
  BalloonTransientError: row("TransientError", "BALLOON_FAILED"),
  CommunicationTransientError: row("TransientError", "COMMUNICATION_TRANSIENT"),
  PermanentError: row("SandboxError", "PERMANENT"),
  VmPermanentError: row("PermanentError", "VM_PERMANENT"),
  VmConfigError: row("VmPermanentError", "VM_CONFIG"),
  VmDependencyError: row("VmPermanentError", "VM_DEPENDENCY"),
  SnapshotError: row("SandboxError", "SNAPSHOT_FAILED"),
  SnapshotMismatchError: row("SnapshotError", "SNAPSHOT_MISMATCH"),
  BuildError: row("SandboxError", "BUILD_FAILED"),
  CleanupError: row("SandboxError", "CLEANUP_FAILED"),
  GuestAgentError: row("SandboxError", "GUEST_ERROR", "response"),
  AssetError: row("SandboxError", "ASSET_FAILED"),
  AssetDownloadError: row("AssetError", "ASSET_DOWNLOAD_FAILED"),
  AssetChecksumError: row("AssetError", "ASSET_CHECKSUM_MISMATCH"),
  AssetNotFoundError: row("AssetError", "ASSET_NOT_FOUND"),
  SandboxDependencyError: row("SandboxError", "DEPENDENCY_MISSING"),
  RecordModeError: row("SandboxError", "RECORD_MODE"),
} as const;

/** Name of a class of {@link errorTree}. */
export type ErrorName = keyof typeof errorTree;

/** Names kept for callers of sibling products; each is the same class under another name. */
export const errorAliases = {
  CommunicationError: "TransportError",
  VmGvproxyError: "VmNetworkError",
  VmError: "VmPermanentError",
  VmTimeoutError: "VmBootTimeoutError",
  VmBootError: "VmTransientError",
  QemuImgError: "VmOverlayError",
  QemuStorageDaemonError: "VmOverlayError",
  BalloonError: "BalloonTransientError",
} as const satisfies Record<string, ErrorName>;

/** The class and its ancestors, nearest first; an unknown name counts as a direct child of the root. */
export function ancestry(name: string): string[] {
  const chain: string[] = [];
  for (let at: string | null = Object.hasOwn(errorTree, name) ? name : "SandboxError"; at !== null;) {
    chain.push(at);
    at = errorTree[at as ErrorName].parent;
  }
  return chain;
}
