import { mkdir, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { imageLayout } from "./layout.js";

const prefix = "build-";

/** A directory of one build, named after the process that owns it: `build-<pid>-<start time>-<random>`. */
export async function makeBuildTemp(home: string): Promise<{ path: string; remove: () => Promise<void> }> {
  const { tmp } = imageLayout(home);
  await mkdir(tmp, { recursive: true, mode: 0o700 });
  const startTime = (await processStartTime(process.pid)) ?? "0";
  const path = await mkdtemp(join(tmp, `${prefix}${process.pid}-${startTime}-`));
  return { path, remove: () => removeTree(path) };
}

/** Removes what builds of dead processes left behind. Returns the names removed; a live build is never touched. */
export async function sweepBuildTemps(home: string): Promise<string[]> {
  const { tmp } = imageLayout(home);
  const removed: string[] = [];
  for (const name of await readdir(tmp).catch(() => [] as string[])) {
    const match = /^build-(\d+)-(\d+)-/.exec(name);
    if (match === null) continue;
    // A process id alone is reused; together with the start time it names one process.
    if ((await processStartTime(Number(match[1]))) === match[2]) continue;
    await removeTree(join(tmp, name));
    removed.push(name);
  }
  return removed;
}

/** Clock ticks since boot at which a process started (field 22 of its stat), or undefined when it is gone. */
export async function processStartTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

/**
 * Deletes a tree unless something is still mounted inside it: a killed bootstrap can leave the host's `/dev` bound
 * into its chroot, and deleting through that mount would delete the host's.
 */
async function removeTree(path: string): Promise<void> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  const inside = mounts.split("\n").some((line) => (line.split(" ")[4] ?? "").startsWith(`${path}/`));
  if (inside) return;
  await rm(path, { recursive: true, force: true });
}
