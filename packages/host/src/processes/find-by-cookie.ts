import { readdirSync, readFileSync } from "node:fs";
import { bootId, processStat } from "./identity.js";

export interface FoundProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
}

/**
 * Live processes that carry one of these sandbox ids as their `-name`: machines whose daemon died between starting
 * them and writing their pid down. The ids are random and ours, so no unrelated process is ever found.
 */
export function findByCookie(ids: ReadonlySet<string>): Map<string, FoundProcess[]> {
  const found = new Map<string, FoundProcess[]>();
  if (ids.size === 0) return found;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const id = cookieOf(entry);
    if (id === undefined || !ids.has(id)) continue;
    const stat = processStat(Number(entry));
    if (stat === undefined || stat.state === "Z" || stat.state === "X") continue;
    const process = { pid: Number(entry), startTime: stat.startTime, bootId: bootId() };
    found.set(id, [...(found.get(id) ?? []), process]);
  }
  return found;
}

function cookieOf(pid: string): string | undefined {
  let words: string[];
  try {
    words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return undefined;
  }
  const value = words[words.indexOf("-name") + 1];
  if (!words.includes("-name") || value === undefined) return undefined;
  return value.replace(/^guest=/, "").split(",")[0];
}
