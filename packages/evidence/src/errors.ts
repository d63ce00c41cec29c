import { SandboxDependencyError, VmConfigError } from "@mvm/protocol";

/** The history cannot be written to: nothing that must be recorded may happen. */
export function cannotRecord(why: string, cause?: unknown): SandboxDependencyError {
  return new SandboxDependencyError({
    code: "AUDIT_UNAVAILABLE",
    message: `Cannot record the operation: ${why}`,
    cause,
  });
}

/** A key file is not what it must be. */
export function unusableKey(path: string, why: string, cause?: unknown): VmConfigError {
  return new VmConfigError({
    message: `Cannot use the key "${path}": ${why}`,
    hint: "Restore the key from a copy, or move it away: a new one is made, and what the old one signed verifies with its old public key",
    cause,
  });
}

/** Words for an error of the system. */
export function systemReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined ? message : (reasons[code] ?? `the system answered ${code}`);
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file may not grow further",
  EIO: "the disk failed",
  EROFS: "the file system is read-only",
  EACCES: "the permission is missing",
  ENOENT: "it is not there",
  ELOOP: "it is a symbolic link",
};
