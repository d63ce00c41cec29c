import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { cannotRecord, systemReason } from "../errors.js";

/** Exit status of `flock` for a lock that another process holds. */
const heldStatus = 75;

/**
 * A kernel lock on a file: the system takes it back when its holder dies, however it dies. `flock` takes it on a
 * descriptor that it shares with this process and ends; the lock stays with the descriptor.
 * @param waitSeconds how long to wait for another holder
 * @returns the descriptor that holds the lock until it is closed
 * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: another process holds it
 */
export function takeLock(path: string, waitSeconds: number): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw cannotRecord(`the lock "${path}" cannot be opened: ${systemReason(error)}`, error);
  }
  const { status, error } = spawnSync("flock", ["-w", String(waitSeconds), "-E", String(heldStatus), "3"], {
    stdio: ["ignore", "ignore", "ignore", fd],
  });
  if (status === 0) return fd;
  closeSync(fd);
  if (status === heldStatus) throw cannotRecord("another process writes this history");
  throw cannotRecord("the program flock does not run", error);
}

/** Whether a living process holds the lock. Only looks: a writer that comes at this moment waits for it. */
export function isLocked(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return false;
  }
  try {
    const { status } = spawnSync("flock", ["-s", "-n", "-E", String(heldStatus), "3"], {
      stdio: ["ignore", "ignore", "ignore", fd],
    });
    return status === heldStatus;
  } finally {
    closeSync(fd);
  }
}
