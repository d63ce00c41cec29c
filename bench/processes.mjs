import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Pids whose command line satisfies a test of its words. */
export function pidsWhere(test) {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return test(readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"));
      } catch {
        return false;
      }
    });
}

/** QEMU and the cage around it, for machines of these sandboxes. */
export const machinePids = (ids) => pidsWhere((words) => words.some((word) => ids.has(word.replace("guest=", ""))));

const kib = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);

/** Proportional set size of processes together. Bytes. */
export function pss(pids) {
  return pids.reduce((sum, pid) => sum + kib(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"), "Pss") * 1024, 0);
}

/** Resident memory of one process. Bytes. */
export function rss(pid) {
  return kib(readFileSync(`/proc/${pid}/status`, "utf8"), "VmRSS") * 1024;
}

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"]).toString());

/** Processor time of processes together. Seconds. */
export function cpuSeconds(pids) {
  const ticks = pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return sum + Number(fields[11]) + Number(fields[12]);
  }, 0);
  return ticks / ticksPerSecond;
}
