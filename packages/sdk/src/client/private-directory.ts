import { lstatSync, mkdirSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { SocketAuthError, VmConfigError } from "@mvm/protocol";

const groupAndOthersWrite = 0o022;
const groupAndOthers = 0o077;

/** The file system refuses: no space, no permission, a file where a directory should be. */
function unusable(path: string, cause: unknown, operation: string): VmConfigError {
  return new VmConfigError({
    message: `Cannot use the directory "${path}": ${(cause as Error).message}`,
    hint: "Set MVM_HOME to a directory that this user can write to and that has space",
    operation,
    cause,
  });
}

/** The entry's own status, not that of what it links to; null when it does not exist. */
export function statusOf(path: string, operation: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    throw unusable(path, error, operation);
  }
}

/**
 * Refuses a directory that is a symlink, no directory, another user's, or open to others: anybody could have planted a
 * socket there. `private` allows others nothing, `unwritable` only forbids them to write. Throws `SocketAuthError`.
 */
export function checkDirectory(path: string, status: Stats, wanted: "private" | "unwritable"): void {
  const expectedUid = process.geteuid?.() ?? status.uid;
  const refuse = (why: string): never => {
    throw new SocketAuthError({
      message: `Cannot trust the directory "${path}": ${why}`,
      expectedUid,
      actualUid: status.uid,
      operation: "daemon.connect",
    });
  };
  if (status.isSymbolicLink()) refuse("it is a symbolic link");
  if (!status.isDirectory()) refuse("it is not a directory");
  if (status.uid !== expectedUid) refuse(`it belongs to the user ${status.uid}, not to ${expectedUid}`);
  const mode = status.mode & 0o777;
  if ((mode & (wanted === "private" ? groupAndOthers : groupAndOthersWrite)) !== 0) {
    refuse(`its mode is ${mode.toString(8).padStart(4, "0")}, which lets other users in`);
  }
}

/** Makes the directory with mode 0700 unless it exists, and checks it either way. */
export function ensurePrivateDirectory(path: string, wanted: "private" | "unwritable"): void {
  const operation = "daemon.start";
  try {
    makeWithParents(path, operation);
  } catch (error) {
    throw unusable(path, error, operation);
  }
  const status = statusOf(path, operation);
  if (status !== null) checkDirectory(path, status, wanted);
}

/**
 * Node's recursive mkdir never returns where the kernel answers ENOENT below a directory that exists, as in `/proc`;
 * one step at a time, that is an error like any other.
 */
function makeWithParents(path: string, operation: string): void {
  const missing: string[] = [];
  for (let at = path; statusOf(at, operation) === null; at = dirname(at)) missing.unshift(at);
  for (const directory of missing) {
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      // Another client may make the same state root at the same moment.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
