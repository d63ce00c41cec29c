import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { randomBytes } from "node:crypto";

/** Where this process may make groups that bound memory and processes. */
export interface CgroupPlace {
  readonly version: 1 | 2;
  /** With version 2 one directory; with version 1 one of the memory and one of the pids hierarchy. */
  readonly directories: readonly string[];
}

/** What was found, and why nothing is used where nothing is. */
export interface CgroupFacts {
  readonly place: CgroupPlace | null;
  readonly reason: string;
}

/** The bounds of one machine, enforced by the host's kernel. */
export interface CgroupLimits {
  readonly memoryBytes: number;
  readonly processes: number;
}

/** QEMU's translation buffer is 128 MiB; the rest is its heap, its stacks and what the kernel holds for it. MiB. */
const overheadMb = 512;
/** Virtual processors, QEMU's own threads and its io_uring workers; bubblewrap's two processes. */
const otherProcesses = 126;

export function machineLimits({ memoryMb, cpus }: { memoryMb: number; cpus: number }): CgroupLimits {
  return { memoryBytes: (memoryMb + overheadMb) * 1024 * 1024, processes: cpus + otherProcesses };
}

/** The files that hold the limits, by the hierarchy's version: the names differ, the meaning does not. */
export function limitFiles(version: 1 | 2, limits: CgroupLimits): readonly (readonly [name: string, value: string])[] {
  return [
    [version === 2 ? "memory.max" : "memory.limit_in_bytes", String(limits.memoryBytes)],
    ["pids.max", String(limits.processes)],
  ];
}

/** Looks for a place by making a group there and removing it again: files that can be seen prove nothing. */
export function probeCgroup(): CgroupFacts {
  const candidates = cgroupCandidates(read("/proc/self/mountinfo"), read("/proc/self/cgroup"));
  for (const place of candidates)
    if (usable(place)) return { place, reason: `memory and processes, version ${place.version}` };
  return {
    place: null,
    reason:
      candidates.length === 0
        ? "no cgroup hierarchy with memory and pids is mounted"
        : "this user may not make groups here (needs root, or a delegated group)",
  };
}

/** Pure: places worth trying, from this process's mounts and groups. */
export function cgroupCandidates(mountinfo: string, ownGroups: string): CgroupPlace[] {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    // Fields: id, parent, device, root, mount point, options, optional fields …, "-", type, source, super options.
    const [before, after] = line.split(" - ");
    const [, , , root, point] = before?.split(" ") ?? [];
    const [type, , options] = after?.split(" ") ?? [];
    if (root === undefined || point === undefined || (type !== "cgroup" && type !== "cgroup2")) return [];
    return [{ root, point, type, controllers: options?.split(",") ?? [] }];
  });
  const own = ownGroups.split("\n").map((line) => {
    const [id = "", controllers = "", ...path] = line.split(":");
    return { id, controllers: controllers.split(","), path: path.join(":") };
  });
  const directory = ({ root, point }: { root: string; point: string }, path: string | undefined): string => {
    const base = root === "/" ? "" : root;
    const below = path?.startsWith(`${base}/`) === true ? path.slice(base.length + 1) : "";
    return below === "" ? point : join(point, below);
  };
  const places: CgroupPlace[] = [];
  const unified = mounts.find(({ type }) => type === "cgroup2");
  if (unified !== undefined) {
    const here = directory(unified, own.find(({ id }) => id === "0")?.path);
    // A group that holds processes cannot have limited groups below it: machines lie beside the daemon's group.
    places.push({ version: 2, directories: [here === unified.point ? here : dirname(here)] });
  }
  const hierarchy = (controller: string): string | undefined => {
    const mount = mounts.find(({ type, controllers }) => type === "cgroup" && controllers.includes(controller));
    return mount && directory(mount, own.find(({ controllers }) => controllers.includes(controller))?.path);
  };
  const [memory, pids] = [hierarchy("memory"), hierarchy("pids")];
  if (memory !== undefined && pids !== undefined)
    places.push({ version: 1, directories: [...new Set([memory, pids])] });
  return places;
}

function usable({ version, directories }: CgroupPlace): boolean {
  const groups = directories.map((directory) => join(directory, `mvm-probe-${randomBytes(8).toString("hex")}`));
  try {
    // Moving a process needs the right to write to the group that both places have in common.
    if (version === 2) for (const directory of directories) accessSync(join(directory, "cgroup.procs"), constants.W_OK);
    for (const group of groups) mkdirSync(group);
    return limitFiles(version, machineLimits({ memoryMb: 512, cpus: 1 })).every(([name, value]) => {
      const file = groups.map((group) => join(group, name)).find((path) => existsSync(path));
      if (file !== undefined) writeFileSync(file, value);
      return file !== undefined;
    });
  } catch {
    return false;
  } finally {
    for (const group of groups) {
      try {
        rmdirSync(group);
      } catch {
        // It was never made.
      }
    }
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
