import { readdirSync, readFileSync, statSync } from "node:fs";
import process from "node:process";

/** Name under which reapers are found: the word behind their program, followed by the state root. */
export const reaperName = "mvm-reaper";

/**
 * Ends the reapers that former daemons of this state root left waiting for the ends of detached machines: from now on that is
 * this daemon's business, which may be told other times.
 */
export function endFormerReapers(home: string, own: number | undefined): void {
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === own || !isReaperOf(pid, home)) continue;
    try {
      // With the `sleep` it waits for: each reaper leads a process group of its own.
      process.kill(-pid, "SIGKILL");
    } catch {
      // It had ended.
    }
  }
}

function isReaperOf(pid: number, home: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words[3] === reaperName && words[4] === home && statSync(`/proc/${pid}`).uid === process.geteuid?.();
  } catch {
    return false;
  }
}
