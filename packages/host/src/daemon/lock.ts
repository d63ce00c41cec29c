import { spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { constants as osConstants } from "node:os";
import process from "node:process";

/** Status with which flock(1) ends when another daemon of this home holds the lock. */
export const lockedExitCode = 75;

/**
 * The inherited descriptor that holds the kernel's exclusive lock on `path`, or undefined.
 * The lock belongs to the open directory, so it ends with the process whatever way that dies: there is no stale lock.
 */
export function heldLock(path: string): number | undefined {
  let wanted: { dev: number; ino: number };
  try {
    wanted = statSync(path);
  } catch {
    return undefined;
  }
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      const at = statSync(`/proc/self/fd/${name}`);
      if (at.ino !== wanted.ino || at.dev !== wanted.dev) continue;
      if (/^lock:.*FLOCK\s+ADVISORY\s+WRITE/m.test(readFileSync(`/proc/self/fdinfo/${name}`, "utf8")))
        return Number(name);
    } catch {
      // Not a descriptor any more.
    }
  }
  return undefined;
}

/**
 * Runs this program again under flock(1), which keeps the lock's descriptor open across its exec, and ends with its status.
 * For a daemon that was started by hand; the launcher starts it under the lock at once.
 */
export function runUnderLock(path: string, command: readonly string[]): void {
  const child = spawn("flock", ["--no-fork", "-n", "-E", String(lockedExitCode), path, ...command], {
    stdio: "inherit",
  });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, forward);
  child.on("error", (error) => {
    process.stderr.write(`mvmd: cannot run flock(1) of util-linux: ${error.message}\n`);
    process.exitCode = 69;
  });
  child.on("exit", (code, signal) => {
    if (code === lockedExitCode) process.stderr.write(`mvmd: another daemon already serves this home\n`);
    process.exitCode = code ?? (signal === null ? 1 : 128 + osConstants.signals[signal]);
  });
}
