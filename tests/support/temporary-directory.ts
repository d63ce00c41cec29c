import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Runs once around a whole test run: what the tests make below the system's temporary directory goes into one directory of this
 * run's own, and goes with it, also where a test fails before its own cleaning. Its name is short, because Unix sockets stand
 * below it and their paths may have 107 bytes only.
 */
export function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), "mvm-"));
  // As open as the one it stands in for: some tests are other users.
  chmodSync(directory, 0o755);
  process.env["TMPDIR"] = directory;
  return () => {
    rmSync(directory, { recursive: true, force: true });
  };
}
