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

/**
 * Live processes in whose cage a `vm` directory below `sandboxes` is mounted, by sandbox id: machines whose records somebody
 * deleted. The mount is proof; nobody but this daemon's user can mount from there.
 */
export function findByMount(sandboxes: string): Map<string, FoundProcess[]> {
  const found = new Map<string, FoundProcess[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const id = mountedId(entry, sandboxes);
    const stat = id === undefined ? undefined : processStat(Number(entry));
    if (id === undefined || stat === undefined || stat.state === "Z" || stat.state === "X") continue;
    const process = { pid: Number(entry), startTime: stat.startTime, bootId: bootId() };
    found.set(id, [...(found.get(id) ?? []), process]);
  }
  return found;
}

function mountedId(pid: string, sandboxes: string): string | undefined {
  let mounts: string[];
  try {
    mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n");
  } catch {
    return undefined;
  }
  for (const line of mounts) {
    // Fields: id, parent, device, root within the file system, mount point, …
    const [, , , root = "", point] = line.split(" ");
    if (point !== "/vm" || !root.startsWith(`${sandboxes}/`)) continue;
    const [id, vm] = root
      .slice(sandboxes.length + 1)
      .replace(/\/\/deleted$/, "")
      .split("/");
    if (id !== undefined && vm === "vm") return id;
  }
  return undefined;
}
