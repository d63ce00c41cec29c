import { createError, type SandboxError } from "@mvm/protocol/errors";

/** A copy that would cross a boundary; `rule` is the stable id of what forbids it. */
export function denied(rule: string, message: string, hint?: string): SandboxError {
  return createError("FILE_DENIED", { message, rule, ...(hint === undefined ? {} : { hint }) });
}

/** A path of the host is, or leads through, a symbolic link. */
export function linkDenied(path: string): SandboxError {
  return denied(
    "copy.symlink",
    `Cannot copy through "${path}": it is a symbolic link, and links on the host are not followed`,
    "Name the real path (`realpath` prints it), or remove the link",
  );
}
