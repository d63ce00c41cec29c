import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { MachineExit } from "../backend.js";
import { type CgroupLimits, type CgroupPlace, limitFiles } from "./cgroup.js";
import type { QemuProcess } from "./process.js";

/** A killed process leaves its group a moment after its end is known. */
const removalTries = 20;
const removalPauseMs = 25;

/** The group of one machine: one directory, or with version 1 one a hierarchy. */
export class MachineGroup {
  constructor(
    readonly version: 1 | 2,
    private readonly directories: readonly string[],
    private readonly record: string,
  ) {}

  /** Puts a process into the group, with all of its threads. False when it is gone or the kernel refuses. */
  async add(pid: number): Promise<boolean> {
    const written = this.directories.map((directory) => writeFile(join(directory, "cgroup.procs"), String(pid)));
    return (await Promise.allSettled(written)).every(({ status }) => status === "fulfilled");
  }

  /** Whether the kernel killed a process of the group because it had reached its memory limit. */
  async ranOutOfMemory(): Promise<boolean> {
    const name = this.version === 2 ? "memory.events" : "memory.oom_control";
    const texts = await Promise.all(this.directories.map((path) => readFile(join(path, name), "utf8").catch(() => "")));
    return texts.some((text) => Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0);
  }

  /** Removes the group if no process is in it. False when one is. */
  async removeIfEmpty(): Promise<boolean> {
    const removed = await Promise.all(this.directories.map((path) => removeGroup(path)));
    if (!removed.every((done) => done)) return false;
    await rm(this.record, { force: true });
    return true;
  }

  /** Removes the group once its processes, which have been ended, are gone. */
  async remove(): Promise<void> {
    for (let tries = 0; tries < removalTries && !(await this.removeIfEmpty()); tries++) await sleep(removalPauseMs);
  }
}

async function makeGroup(path: string): Promise<void> {
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function removeGroup(path: string): Promise<boolean> {
  return await rmdir(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === "ENOENT",
  );
}

/**
 * The groups of this home's machines. Each is written down in `run/cgroups` before it is made, since the next daemon may
 * live in another group and would not know where to look.
 */
export class MachineGroups {
  readonly #records: string;

  constructor(home: string) {
    this.#records = join(home, "run", "cgroups");
  }

  /** Makes a group with its limits. Undefined when the kernel refuses: the machine is not confined by it then. */
  async make(place: CgroupPlace, name: string, limits: CgroupLimits): Promise<MachineGroup | undefined> {
    const directories = place.directories.map((directory) => join(directory, `mvm-${name}`));
    const record = join(this.#records, name);
    const group = new MachineGroup(place.version, directories, record);
    try {
      await mkdir(this.#records, { recursive: true, mode: 0o700 });
      await writeFile(record, JSON.stringify({ version: place.version, directories }), { mode: 0o600 });
      for (const directory of directories) await makeGroup(directory);
      for (const [file, value] of limitFiles(place.version, limits)) await writeLimit(directories, file, value);
      return group;
    } catch {
      await group.removeIfEmpty();
      return undefined;
    }
  }

  /** The group of a machine that a former daemon started. */
  async find(name: string): Promise<MachineGroup | undefined> {
    try {
      const path = join(this.#records, name);
      const { version, directories } = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
      const own = (directory: unknown): directory is string =>
        typeof directory === "string" && directory.endsWith(`/mvm-${name}`);
      if ((version !== 1 && version !== 2) || !Array.isArray(directories) || !directories.every(own)) return undefined;
      return new MachineGroup(version, directories, path);
    } catch {
      return undefined;
    }
  }

  /** Removes the groups whose machines have ended while nobody looked. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#records).catch(() => [] as string[])) {
      const group = await this.find(name);
      if (group === undefined) await rm(join(this.#records, name), { force: true });
      else await group.removeIfEmpty();
    }
  }
}

async function writeLimit(directories: readonly string[], file: string, value: string): Promise<void> {
  // With version 1 each hierarchy has one of the files. Opening for reading and writing never makes one.
  const written = directories.map((directory) => writeFile(join(directory, file), value, { flag: "r+" }));
  const results = await Promise.allSettled(written);
  if (results.every(({ status }) => status === "rejected")) throw new Error(`Cannot set ${file}`);
}

/** The process, whose end also tells whether it ran out of its group's memory, and ends the group. */
export function inGroup(process: QemuProcess, group: MachineGroup | undefined): QemuProcess {
  if (group === undefined) return process;
  const exited = process.exited.then(async (exit): Promise<MachineExit> => {
    const oom = await group.ranOutOfMemory();
    await group.remove();
    return { ...exit, oom };
  });
  return {
    pid: process.pid,
    startTime: process.startTime,
    exited,
    kill: async () => {
      await process.kill();
      await exited;
    },
  };
}
