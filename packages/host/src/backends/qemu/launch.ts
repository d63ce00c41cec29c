import { chownSync, lchownSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { deadline, VmBootTimeoutError, VmQemuCrashError } from "@mvm/protocol";
import type { Accelerator, Machine, MachineIdentity } from "../backend.js";
import { bootId } from "../../processes/identity.js";
import { buildCage, type Cage, type CageTools, hasOwnUid } from "./cage.js";
import { qemuCommandLine, sockets, type QemuCommandInput, type QemuFeatures, type StartMode } from "./command-line.js";
import { connectWhenThere } from "./connect.js";
import { QemuMachine } from "./machine.js";
import { inGroup, type MachineGroup } from "./machine-groups.js";
import { lastWords, type QemuProcess, spawnQemu } from "./process.js";
import { QmpClient } from "./qmp.js";
import { systemDirectories } from "./tools.js";

/** Everything about this host that a command line depends on; from the probes. */
export interface LaunchHost {
  readonly binary: string;
  readonly features: QemuFeatures;
  readonly cageTools: CageTools;
}

export interface LaunchInput {
  readonly cookie: string;
  readonly accel: Accelerator;
  readonly cpus: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  /** Working directory of QEMU, its sockets and its own files. */
  readonly directory: string;
  /** Files by host path; `disk.path` must lie in `directory`. */
  readonly paths: Omit<QemuCommandInput["paths"], "binary">;
  /** `state` is the saved device state by its host path. */
  readonly mode:
    | Extract<StartMode, { kind: "boot" }>
    /** With `memoryOffset` a captured machine, which stays paused; without a template, which goes on by itself. */
    | { readonly kind: "restore"; readonly state: string; readonly memoryOffset?: number };
  readonly uid: number;
  readonly start: Machine["start"];
  readonly template: string | null;
  readonly debug?: boolean;
  readonly onSpawned?: ((identity: MachineIdentity) => Promise<void>) | undefined;
  /** The control group it lives in; ended with it. */
  readonly group?: MachineGroup | undefined;
}

/** Room for qcow2 tables and QEMU's log beyond the disk's nominal size. MiB. */
const fileSlackMb = 256;

/**
 * Spawns QEMU in its cage and connects to its agent and console sockets. Nothing has been said to the guest yet.
 * When it fails, no process is left.
 */
export async function launch(host: LaunchHost, input: LaunchInput): Promise<QemuMachine> {
  const begin = performance.now();
  const timings: Record<string, number> = {};
  const mark = (phase: string): void => void (timings[phase] = performance.now() - begin);
  const { cage, command, state } = prepare(host, input);
  if (hasOwnUid({ tools: host.cageTools, needsKvm: input.accel === "kvm" })) giveTo(input);
  const { process: child, grouped } = await spawnInGroup(cage, command, input);
  mark("spawned_ms");
  const identity: MachineIdentity = {
    pid: child.pid,
    startTime: child.startTime,
    bootId: bootId(),
    cookie: input.cookie,
    accel: input.accel,
    cpus: input.cpus,
    memoryMb: input.memoryMb,
    template: input.template,
  };
  try {
    let gone = false;
    void child.exited.then(() => (gone = true));
    const journal = input.onSpawned?.(identity);
    const patience = deadline("restore", input.accel);
    const open = (name: string) => connectWhenThere(join(input.directory, name), patience, () => gone);
    const [channel, console, monitor] = await Promise.all([
      open(sockets.agent),
      open(sockets.console),
      state === undefined ? undefined : open(sockets.qmp).then((socket) => load(socket, state, input)),
      journal,
    ]);
    if (channel === undefined || console === undefined) throw await notConnected(gone, patience, input.directory);
    mark("connected_ms");
    const { start, directory } = input;
    const confinement = grouped ? [...cage.layers, `cgroup:v${input.group?.version}`] : cage.layers;
    return new QemuMachine({
      process: child,
      identity,
      directory,
      channel,
      console,
      monitor,
      start,
      timings,
      confinement,
    });
  } catch (error) {
    await child.kill();
    throw error;
  }
}

/**
 * The process of bubblewrap enters the group at once, so that what it starts is in it; QEMU itself, once its pid is known,
 * so that it certainly is.
 */
async function spawnInGroup(
  cage: Cage,
  command: readonly string[],
  { directory, group }: LaunchInput,
): Promise<{ process: QemuProcess; grouped: boolean }> {
  if (group === undefined) return { process: await spawnQemu(cage, command, directory), grouped: false };
  try {
    const process = inGroup(await spawnQemu(cage, command, directory, (pid) => void group.add(pid)), group);
    return { process, grouped: await group.add(process.pid) };
  } catch (error) {
    await group.remove();
    throw error;
  }
}

/**
 * Tells QEMU to load the device state, in one write. A template's guest goes on by itself afterwards, since its state was saved
 * while it ran; a state that does not fit ends QEMU, which whoever talks to the guest notices. A captured machine was
 * stopped, and whoever starts it wants to know that it is whole: that load is waited for.
 */
async function load(
  socket: Socket | undefined,
  state: string,
  { accel, mode }: LaunchInput,
): Promise<QmpClient | undefined> {
  if (socket === undefined) return undefined;
  const monitor = QmpClient.open(socket, deadline("qmp", accel));
  const captured = mode.kind === "restore" && mode.memoryOffset !== undefined;
  const capabilities = captured
    ? [
        { capability: "mapped-ram", state: true },
        { capability: "events", state: true },
      ]
    : [{ capability: "x-ignore-shared", state: true }];
  const loaded = captured ? incomingEnd(monitor) : undefined;
  try {
    await Promise.all([
      monitor.execute("migrate-set-capabilities", { capabilities }),
      monitor.execute("migrate-incoming", { uri: `file:${state}` }),
      loaded,
    ]);
    return monitor;
  } catch (cause) {
    monitor.close();
    throw new VmQemuCrashError({
      message: `Cannot restore the machine: ${cause instanceof Error ? cause.message : "unknown"}`,
      cause,
    });
  }
}

/** Settles with the end of the load: the connection closes when the state does not fit, for QEMU ends then. */
function incomingEnd(monitor: QmpClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = monitor.onEvent(({ event, data }) => {
      const status = event === "MIGRATION" ? data?.["status"] : undefined;
      if (status !== "completed" && status !== "failed") return;
      stop();
      if (status === "completed") resolve();
      else reject(new Error("QEMU cannot load the device state"));
    });
    void monitor.closed.then(reject);
  });
}

interface Prepared {
  readonly cage: Cage;
  readonly command: readonly string[];
  /** The device state under the name QEMU knows it by. */
  readonly state: string | undefined;
}

function prepare(host: LaunchHost, input: LaunchInput): Prepared {
  const { paths, mode } = input;
  const readable = [
    { host: paths.image, inside: "/image" },
    ...(mode.kind === "boot"
      ? [
          { host: paths.kernel, inside: "/kernel" },
          { host: paths.initramfs, inside: "/initramfs" },
        ]
      : [{ host: mode.state, inside: "/state" }]),
    ...(mode.kind === "restore" && paths.ram !== undefined ? [{ host: paths.ram, inside: "/ram" }] : []),
    ...(paths.disk.kind === "overlay" ? [{ host: paths.disk.base, inside: "/base" }] : []),
  ];
  const cage = buildCage({
    tools: host.cageTools,
    uid: input.uid,
    directory: input.directory,
    readable,
    maxFileBytes: (Math.max(input.diskMb, input.memoryMb) + fileSlackMb) * 1024 * 1024,
    needsKvm: input.accel === "kvm",
    systemDirectories: systemDirectories(),
  });
  // What lies in the machine's own directory is reached through the working directory, under any name of it.
  const see = (path: string): string =>
    path.startsWith(`${input.directory}/`) ? path.slice(input.directory.length + 1) : cage.inside(path);
  const { disk } = paths;
  const command = qemuCommandLine({
    cookie: input.cookie,
    accel: input.accel,
    cpus: input.cpus,
    memoryMb: input.memoryMb,
    features: host.features,
    debug: input.debug ?? false,
    paths: {
      binary: host.binary,
      kernel: see(paths.kernel),
      initramfs: see(paths.initramfs),
      image: see(paths.image),
      disk:
        disk.kind === "raw"
          ? { kind: "raw", path: see(disk.path) }
          : { kind: "overlay", path: see(disk.path), base: see(disk.base) },
      ...(paths.ram === undefined ? {} : { ram: see(paths.ram) }),
    },
    mode:
      mode.kind === "boot"
        ? mode
        : { kind: "restore", ...(mode.memoryOffset === undefined ? {} : { offset: mode.memoryOffset }) },
  });
  return { cage, command, state: mode.kind === "restore" ? see(mode.state) : undefined };
}

/** Under a root daemon each machine has a user of its own, which must own what it writes. */
function giveTo({ directory, paths, uid }: LaunchInput): void {
  chownSync(directory, uid, uid);
  // A machine that ran there before could have left a link to elsewhere.
  lchownSync(paths.disk.path, uid, uid);
}

async function notConnected(gone: boolean, patienceMs: number, directory: string): Promise<Error> {
  return gone
    ? new VmQemuCrashError({ message: `Cannot start the machine: QEMU ended: ${await lastWords(directory)}` })
    : new VmBootTimeoutError({ message: `Cannot start the machine: QEMU made no socket within ${patienceMs} ms` });
}
