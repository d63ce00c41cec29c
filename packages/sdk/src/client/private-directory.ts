import { accessSync, constants, lstatSync, mkdirSync, type Stats } from "node:fs";
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

function unusableRoot(path: string, why: string, operation: string, cause?: unknown): VmConfigError {
  return new VmConfigError({
    message: `Cannot use the state root "${path}": ${why}`,
    hint: "Set MVM_HOME to a directory of your own that nobody else can write to",
    operation,
    cause,
  });
}

/**
 * Refuses a state root that is a symlink, no directory, another user's, or writable by others: whatever is in it could be
 * somebody else's. Throws `VmConfigError`, as the launcher and the daemon do.
 */
export function checkStateRoot(path: string, status: Stats, operation: string): void {
  const why = distrust(status, "unwritable");
  if (why !== null) throw unusableRoot(path, why, operation);
}

/** Makes the state root with mode 0700 unless it exists, and checks that this user can use it. Throws `VmConfigError`. */
export function ensureStateRoot(path: string): void {
  const operation = "daemon.start";
  try {
    makeWithParents(path, operation);
  } catch (error) {
    throw unusableRoot(path, `it cannot be made (${reason(error)})`, operation, error);
  }
  const status = statusOf(path, operation);
  if (status !== null) checkStateRoot(path, status, operation);
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusableRoot(path, `it cannot be written to (${reason(error)})`, operation, error);
  }
}

function reason(error: unknown): string {
  const { code, message, cause } = error as NodeJS.ErrnoException;
  return cause === undefined ? (code ?? message) : reason(cause);
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
  const why = distrust(status, wanted);
  if (why === null) return;
  throw new SocketAuthError({
    message: `Cannot trust the directory "${path}": ${why}`,
    expectedUid: process.geteuid?.() ?? status.uid,
    actualUid: status.uid,
    operation: "daemon.connect",
  });
}

function distrust(status: Stats, wanted: "private" | "unwritable"): string | null {
  const expectedUid = process.geteuid?.() ?? status.uid;
  if (status.isSymbolicLink()) return "it is a symbolic link";
  if (!status.isDirectory()) return "it is not a directory";
  if (status.uid !== expectedUid) return `it belongs to another user (${status.uid}, not ${expectedUid})`;
  const mode = status.mode & 0o777;
  const octal = mode.toString(8).padStart(4, "0");
  if ((mode & groupAndOthersWrite) !== 0) return `others can write to it (its mode is ${octal})`;
  if (wanted === "private" && (mode & groupAndOthers) !== 0) return `others can read it (its mode is ${octal})`;
  return null;
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
