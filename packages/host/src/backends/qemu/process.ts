import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import { VmDependencyError, VmQemuCrashError } from "@mvm/protocol";
import { isAlive, killIfSame, processStat, bootId } from "../../processes/identity.js";
import type { MachineExit } from "../backend.js";
import type { Cage } from "./cage.js";

/** A QEMU process this daemon started or found; the machine's body without its voice. */
export interface QemuProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly exited: Promise<MachineExit>;
  kill(): Promise<void>;
}

/** QEMU's own messages, bounded by the cage's file size limit. */
export const qemuLog = "qemu.log";

/** How often a process that is no child is looked at. Milliseconds. */
const lookMs = 100;

/**
 * Starts QEMU in its cage. Resolves when the process's pid is known, which is before QEMU has done anything.
 * @param onStarted told of the pid of the first process, the cage's, as soon as there is one
 * @throws {VmDependencyError} a program of the command line cannot be started
 * @throws {VmQemuCrashError} it ended before its pid was known
 */
export async function spawnQemu(
  cage: Cage,
  command: readonly string[],
  directory: string,
  onStarted?: (pid: number) => void,
): Promise<QemuProcess> {
  // PDEATHSIG and process ownership follow the spawning thread; a worker that ends would take machines with it.
  if (!isMainThread) throw new Error("Cannot start a machine from a worker thread");
  const [program, ...args] = [...cage.prefix, ...command];
  const log = openSync(join(directory, qemuLog), "a", 0o600);
  try {
    const child = spawn(program!, args, {
      cwd: directory,
      // Its own session: a Ctrl-C in the terminal that started the daemon does not reach machines.
      detached: true,
      env: {},
      stdio: ["ignore", "ignore", log, cage.reportsPid ? "pipe" : "ignore"],
    });
    if (child.pid !== undefined) onStarted?.(child.pid);
    const exited = new Promise<MachineExit>((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal, by: killed ? "kill" : "exit" }));
      child.once("error", () => resolve({ code: null, signal: null, by: "exit" }));
    });
    let killed = false;
    const failed = new Promise<never>((_resolve, reject) => {
      child.once("error", (cause) =>
        reject(
          new VmDependencyError({
            message: `Cannot start "${program}": ${cause.message}`,
            cause,
            outcome: "not_started",
          }),
        ),
      );
    });
    const pid = cage.reportsPid ? await Promise.race([reportedPid(child.stdio[3] as Readable), failed]) : child.pid;
    if (child.pid === undefined) await failed;
    const stat = pid === undefined ? undefined : processStat(pid);
    if (pid === undefined || stat === undefined) {
      await exited;
      throw new VmQemuCrashError({
        message: `Cannot start the machine: QEMU ended at once: ${await lastWords(directory)}`,
        outcome: "not_started",
      });
    }
    const identity = { pid, startTime: stat.startTime, bootId: bootId() };
    child.unref();
    return {
      ...identity,
      exited,
      async kill() {
        killed = true;
        // Whoever waits for the end keeps the event loop alive until it has come.
        child.ref();
        killIfSame(identity);
        await exited;
      },
    };
  } finally {
    closeSync(log);
  }
}

/** A process a former daemon started: its end is found by looking, since it is no child of this one. */
export function foundProcess(identity: { pid: number; startTime: string; bootId: string }): QemuProcess {
  let killed = false;
  let end: (exit: MachineExit) => void = () => undefined;
  const exited = new Promise<MachineExit>((resolve) => (end = resolve));
  const over = (): void => end({ code: null, signal: null, by: killed ? "kill" : "exit" });
  const look = (): void => {
    if (isAlive(identity)) setTimeout(look, lookMs).unref();
    else over();
  };
  look();
  return {
    ...identity,
    exited,
    async kill() {
      killed = true;
      killIfSame(identity);
      // Whoever waits for the end keeps the event loop alive until it has come: a daemon that starts has nothing else.
      while (isAlive(identity)) await sleep(lookMs / 10);
      over();
    },
  };
}

/** bubblewrap writes `{"child-pid": N, …}` before it runs the command. */
function reportedPid(info: Readable): Promise<number | undefined> {
  return new Promise((resolve) => {
    let text = "";
    info.on("data", (chunk: Buffer) => {
      if (text.length < 4096) text += chunk.toString("latin1");
    });
    info.on("error", () => resolve(undefined));
    info.on("end", () => {
      const match = /"child-pid": *(\d+)/.exec(text);
      resolve(match === null ? undefined : Number(match[1]));
    });
  });
}

/** The end of QEMU's messages, for an error. At most 2 KiB. */
export async function lastWords(directory: string): Promise<string> {
  try {
    const file = await open(join(directory, qemuLog), "r");
    try {
      const { size } = await file.stat();
      const length = Math.min(size, 2048);
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString("utf8").trim() || "it said nothing";
    } finally {
      await file.close();
    }
  } catch {
    return "it said nothing";
  }
}
