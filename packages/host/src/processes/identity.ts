import { readFileSync } from "node:fs";

let cachedBootId: string | undefined;

/** Identity of this boot of the host; a pid recorded under another one is meaningless. */
export function bootId(): string {
  cachedBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return cachedBootId;
}

/** What `/proc/PID/stat` says of a process, or undefined when there is none. */
export function processStat(pid: number): { state: string; startTime: string; parent: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The command name may hold spaces and parentheses: fields are counted behind its last one.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "?", parent: Number(fields[1]), startTime: fields[19] ?? "" };
}

/**
 * True while the process recorded as (pid, start time, boot) still runs. A zombie does not, and neither does
 * another process that was given the same pid; `kill(pid, 0)` would call both alive.
 */
export function isAlive(process: { pid: number; startTime: string; bootId: string }): boolean {
  if (process.bootId !== bootId()) return false;
  const stat = processStat(process.pid);
  return stat !== undefined && stat.startTime === process.startTime && stat.state !== "Z" && stat.state !== "X";
}

/** SIGKILLs the process if it is still the recorded one. Returns whether a signal was sent. */
export function killIfSame(recorded: { pid: number; startTime: string; bootId: string }): boolean {
  if (!isAlive(recorded)) return false;
  try {
    process.kill(recorded.pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}
