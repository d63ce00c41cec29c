import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SandboxInfoDocument } from "@mvm/protocol";
import { Api } from "./api.js";
import { root } from "./home.js";

/** The daemon's program. */
export const daemonEntry = join(root, "packages/host/dist/main.js");

export interface DaemonProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly api: Api;
  /** Exit code or signal. */
  readonly ended: Promise<number | string | null>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
}

/** Starts the daemon of a home as a client would, under the lock. Does not wait until it serves. */
export function spawnDaemon(home: string, env: Record<string, string> = {}): DaemonProcess {
  mkdirSync(join(home, "run"), { recursive: true, mode: 0o700 });
  mkdirSync(join(home, "logs"), { recursive: true, mode: 0o700 });
  const log = openSync(join(home, "logs", "mvmd.log"), "a", 0o600);
  const child = spawn("flock", ["--no-fork", "-n", "-E", "75", home, process.execPath, daemonEntry], {
    stdio: ["ignore", log, log],
    detached: true,
    cwd: "/",
    env: { PATH: process.env["PATH"], HOME: home, MVM_HOME: home, ...env },
  });
  closeSync(log);
  const ended = new Promise<number | string | null>((resolve) =>
    child.once("exit", (code, signal) => resolve(code ?? signal)),
  );
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  return { child, pid: child.pid!, api: new Api(home), ended, kill };
}

/** Waits until the daemon serves. False when it ended before. */
export async function serves({ api, ended }: DaemonProcess): Promise<boolean> {
  let over = false;
  void ended.then(() => (over = true));
  while (!over) {
    const answer = await api.json("GET", "/v1/version").catch(() => undefined);
    if (answer?.status === 200) return true;
    await sleep(20);
  }
  return false;
}

/** A daemon that serves. Throws with the end of its log when it does not. */
export async function startDaemon(home: string, env: Record<string, string> = {}): Promise<DaemonProcess> {
  const daemon = spawnDaemon(home, env);
  if (await serves(daemon)) return daemon;
  throw new Error(`the daemon ended with ${await daemon.ended}: ${logOf(home).slice(-2000)}`);
}

/** SIGTERM, and waits for the end. */
export async function stopped(daemon: DaemonProcess): Promise<number | string | null> {
  daemon.child.kill("SIGTERM");
  return await daemon.ended;
}

export function logOf(home: string): string {
  return readFileSync(join(home, "logs", "mvmd.log"), "utf8");
}

export interface MachineProcess {
  readonly pid: number;
  /** Sandbox id, or the template's directory. */
  readonly owner: string;
}

/**
 * Every live process of machines of a home, whether or not the home still knows them: QEMU by the directory that is
 * mounted into its cage, what builds the cage by its command line. Zombies do not count.
 */
export function machineProcesses(home: string): MachineProcess[] {
  const place = `${home}/(?:sandboxes|templates|tmp)/([^/\\s\\0]+)`;
  const patterns = [
    ["cmdline", new RegExp(`--bind\\0${place}[^\\0]*\\0/vm\\0`)],
    ["mountinfo", new RegExp(` ${place}\\S* /vm `)],
  ] as const;
  const owner = (pid: string) =>
    patterns.map(([file, pattern]) => pattern.exec(read(pid, file))?.[1]).find((found) => found !== undefined) ??
    new RegExp(`^${place}`).exec(cwd(pid))?.[1];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => [{ pid: Number(pid), owner: owner(pid) }])
    .filter((found): found is MachineProcess => found.owner !== undefined && isLive(found.pid));
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

function cwd(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}

/** Whether a process runs; a zombie does not. */
export function isLive(pid: number): boolean {
  // The first thread of a killed process can be a zombie while others still hold its sockets open.
  return threads(pid).some((thread) => {
    const stat = read(`${pid}/task/${thread}`, "stat");
    const state = stat.slice(stat.lastIndexOf(")") + 2)[0];
    return state !== undefined && state !== "Z" && state !== "X";
  });
}

function threads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Waits until something holds. Generous: it only has to tell a slow host from a hang. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>, patienceMs = 20_000) {
  const end = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`it did not come true within ${patienceMs} ms: ${what}`);
    await sleep(25);
  }
}

/** Milliseconds until no machine of the home lives, those of the given sandboxes aside. Throws when some stay. */
export async function machinesGone(home: string, except: readonly string[] = []): Promise<number> {
  const began = performance.now();
  const left = () => machineProcesses(home).filter(({ owner }) => !except.includes(owner));
  await eventually("no machine is left", () => left().length === 0).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(left())}`);
  });
  return performance.now() - began;
}

/**
 * What must hold whenever nothing is in progress: the daemon answers; each sandbox it lists has its directory, its machine
 * runs exactly when it should, and there are no other directories or machines. Returns the sandboxes.
 */
export async function checkHome(home: string, api: Api): Promise<SandboxInfoDocument[]> {
  const infos = (await api.sandboxes()) as SandboxInfoDocument[];
  const ids = infos.map(({ id }) => id).sort();
  const running = infos.filter(({ state }) => state === "running").map(({ id }) => id);
  const directories = names(join(home, "sandboxes"));
  if (directories.join() !== ids.join()) {
    throw new Error(`directories and sandboxes differ: [${directories.join()}] and [${ids.join()}]`);
  }
  const owners = new Set(machineProcesses(home).map(({ owner }) => owner));
  if ([...owners].sort().join() !== running.sort().join()) {
    throw new Error(`machines and running sandboxes differ: [${[...owners].join()}] and [${running.join()}]`);
  }
  const temporary = [...names(join(home, "run")), ...directories.flatMap((id) => names(join(home, "sandboxes", id)))];
  const torn = temporary.filter((name) => name.endsWith(".mvm-tmp"));
  if (torn.length > 0) throw new Error(`unfinished files are left: ${torn.join()}`);
  const making = names(join(home, "templates")).filter((name) => name.startsWith("."));
  if (making.length > 0) throw new Error(`unfinished templates are left: ${making.join()}`);
  return infos;
}

function names(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}
