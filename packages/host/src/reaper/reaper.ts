import { spawn, type ChildProcess } from "node:child_process";
import type { Logger } from "../observe/log.js";
import { endFormerReapers, reaperName } from "./former.js";
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
  /** From now on this process survives the daemon, until the host has been up for so long. Milliseconds. */
  outlive(process: ReapedProcess, untilUptimeMs: number): void;
  /** From now on the reaper leaves this process alone. */
  remove(process: ReapedProcess): void;
  readonly pid: number | undefined;
  /** Ends the reaper; what is to die with the daemon is killed, and what outlives it is waited for. */
  close(): void;
}

const restartDelayMs = 200;

/**
 * Starts the reaper of a daemon and ends those of former ones.
 * @param home the state root; the caller holds its lock
 */
export function startReaper(log: Logger, home: string): Reaper {
  /** What the reaper was told last of each process. */
  const listed = new Map<string, string>();
  let closed = false;
  let child: ChildProcess | undefined;

  const send = (line: string): void => {
    // Small writes to the pipe are made at once by libuv: the line has left this process when write returns.
    if (child?.stdin?.writable === true) child.stdin.write(line);
  };
  const tell = (process: ReapedProcess, line: string): void => {
    listed.set(key(process), line);
    send(line);
  };
  const launch = (): void => {
    const started = spawn("/bin/sh", ["-c", reaperScript, reaperName, home], {
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
    for (const line of listed.values()) send(line);
  };
  launch();
  endFormerReapers(home, child?.pid);
  return {
    add(process) {
      tell(process, `add ${process.pid} ${process.startTime}\n`);
    },
    outlive(process, untilUptimeMs) {
      tell(process, `ttl ${process.pid} ${process.startTime} ${Math.ceil(untilUptimeMs / 1000)}\n`);
    },
    remove(process) {
      if (listed.delete(key(process))) send(`del ${process.pid} ${process.startTime}\n`);
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
