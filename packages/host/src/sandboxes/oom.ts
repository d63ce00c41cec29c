import { readFileSync } from "node:fs";

/** Processes the host's kernel has killed for want of memory since it booted. */
export function oomKillsSeen(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
