import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { deadline, SandboxUnavailable, toSandboxError } from "@mvm/protocol";
import { daemonEntry, daemonEnvironment } from "./daemon-entry.js";
import type { HomePaths } from "./home.js";
import { ensurePrivateDirectory, ensureStateRoot } from "./private-directory.js";
import { probe } from "./probe.js";
import { checkSocket, checkSocketPath } from "./socket.js";

/** Exit status of `flock` when another process holds the lock: the one daemon of this state root, or the next one. */
const lockHeld = 75;
const pollMs = 15;
const firstRespawnMs = 250;
const lastRespawnMs = 2000;

const operation = "daemon.start";
const pause = (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds));

type Attempt = { readonly child: ChildProcess; ended: number | string | null; failure: unknown };

/** Starts `flock … node mvmd`, detached. The lock lives in the daemon itself, so that it is free when the daemon dies. */
function attempt(paths: HomePaths, entry: string): Attempt {
  const log = openSync(
    paths.daemonLog,
    constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    const argv = ["--no-fork", "-n", "-E", String(lockHeld), paths.lock, process.execPath, entry];
    const child = spawn("flock", argv, {
      cwd: "/",
      detached: true,
      env: daemonEnvironment(paths.home),
      stdio: ["ignore", log, log],
    });
    const state: Attempt = { child, ended: null, failure: null };
    child.once("error", (error) => (state.failure = error));
    child.once("exit", (code, signal) => (state.ended = code ?? signal ?? 0));
    child.unref();
    return state;
  } finally {
    closeSync(log);
  }
}

/**
 * Makes sure that a daemon answers on the socket: starts one if there is none and waits for it. Any number of clients may
 * do so at once; the lock lets one daemon live, the others wait for it. Throws `SandboxUnavailable` at the
 * `daemonStart` deadline, or as soon as a daemon of ours ended by itself.
 */
export async function launchDaemon(paths: HomePaths, signal?: AbortSignal): Promise<void> {
  checkSocketPath(paths.socket);
  const entry = daemonEntry();
  ensureStateRoot(paths.home);
  ensurePrivateDirectory(paths.run, "private");
  ensurePrivateDirectory(paths.logs, "unwritable");
  const end = performance.now() + deadline("daemonStart");
  let respawnMs = firstRespawnMs;
  let current = begin(paths, entry);
  let began = performance.now();
  for (;;) {
    signal?.throwIfAborted();
    checkSocket(paths);
    if (await probe(paths.socket)) return;
    if (current.failure !== null) throw toSandboxError(current.failure, { dispatched: false, operation });
    if (current.ended !== null && current.ended !== lockHeld) throw failed(paths, `it ended with ${current.ended}`);
    if (performance.now() > end) throw failed(paths, `it did not answer within ${deadline("daemonStart")} ms`);
    // The holder of the lock may be a daemon on its way out: a client whose attempt lost has to try again.
    if (current.ended === lockHeld && performance.now() - began > respawnMs) {
      current = begin(paths, entry);
      began = performance.now();
      respawnMs = Math.min(lastRespawnMs, respawnMs * 2);
    }
    await pause(pollMs);
  }
}

function begin(paths: HomePaths, entry: string): Attempt {
  try {
    return attempt(paths, entry);
  } catch (error) {
    throw toSandboxError(error, { dispatched: false, operation });
  }
}

function failed(paths: HomePaths, why: string): SandboxUnavailable {
  return new SandboxUnavailable({
    code: "DAEMON_UNAVAILABLE",
    message: `Cannot start the daemon: ${why}`,
    hint: `Read ${paths.daemonLog}, and run \`mvmctl doctor\``,
    operation,
  });
}
