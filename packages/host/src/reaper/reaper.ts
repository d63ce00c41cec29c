import { spawn, type ChildProcess } from "node:child_process";
import type { Logger } from "../observe/log.js";
import { reaperScript } from "./script.js";

export interface ReapedProcess {
  readonly pid: number;
  /** Field 22 of `/proc/PID/stat`. */
  readonly startTime: string;
}

/**
 * Ends attached machines when this process dies, `kill -9` included: a separate process holds the read end of a
 * pipe, and the kernel closes the write end for us. It has a session of its own, so a terminal's Ctrl-C misses it.
 */
export interface Reaper {
  /** From now on this process dies with the daemon. */
  add(process: ReapedProcess): void;
  /** From now on this process survives the daemon. */
  remove(process: ReapedProcess): void;
  readonly pid: number | undefined;
  /** Ends the reaper; what is still on its list is killed. */
  close(): void;
}

const restartDelayMs = 200;

export function startReaper(log: Logger): Reaper {
  const listed = new Map<string, ReapedProcess>();
  let closed = false;
  let child: ChildProcess | undefined;

  const send = (verb: "add" | "del", { pid, startTime }: ReapedProcess): void => {
    // Small writes to the pipe are made at once by libuv: the line has left this process when write returns.
    if (child?.stdin?.writable === true) child.stdin.write(`${verb} ${pid} ${startTime}\n`);
  };
  const launch = (): void => {
    const started = spawn("/bin/sh", ["-c", reaperScript, "mvm-reaper"], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      cwd: "/",
      env: {},
    });
    child = started;
    started.stdin.on("error", () => undefined); // EPIPE: the exit handler restarts it.
    started.on("error", (error) => log.error({ err: error.message }, "reaper cannot be started"));
    started.on("close", () => {
      if (closed || child !== started) return;
      child = undefined;
      log.warn("reaper ended; starting another");
      setTimeout(() => !closed && launch(), restartDelayMs).unref();
    });
    started.unref();
    (started.stdin as unknown as { unref?: () => void }).unref?.();
    for (const process of listed.values()) send("add", process);
  };
  launch();
  return {
    add(process) {
      listed.set(key(process), process);
      send("add", process);
    },
    remove(process) {
      if (listed.delete(key(process))) send("del", process);
    },
    get pid() {
      return child?.pid;
    },
    close() {
      closed = true;
      child?.stdin?.end();
    },
  };
}

function key({ pid, startTime }: ReapedProcess): string {
  return `${pid}:${startTime}`;
}
