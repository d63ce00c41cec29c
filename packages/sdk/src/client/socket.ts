import { limits, SocketAuthError, VmConfigError } from "@mvm/protocol";
import type { HomePaths } from "./home.js";
import { checkDirectory, checkStateRoot, statusOf } from "./private-directory.js";

/** Refuses a socket path that `sun_path` cannot hold; the kernel would report it as a socket that is not there. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= limits.socketPathBytes) return;
  throw new VmConfigError({
    message: `Cannot use the socket "${path}": its path has ${bytes} bytes and a Unix socket's has at most ${limits.socketPathBytes}`,
    hint: "Set MVM_HOME to a shorter path",
    operation: "daemon.connect",
  });
}

/**
 * Checks, before anything is sent, that the socket can only be our own daemon's: the state root and its `run` directory
 * belong to us, are no links and others cannot write to them, and what lies there is a socket of ours. A daemon that is not
 * there is no error: connecting says so. Throws `SocketAuthError` or `VmConfigError`.
 */
export function checkSocket(paths: HomePaths): void {
  checkSocketPath(paths.socket);
  const home = statusOf(paths.home, "daemon.connect");
  if (home === null) return;
  checkStateRoot(paths.home, home, "daemon.connect");
  const run = statusOf(paths.run, "daemon.connect");
  if (run === null) return;
  checkDirectory(paths.run, run, "private");
  const socket = statusOf(paths.socket, "daemon.connect");
  if (socket === null || (socket.isSocket() && socket.uid === run.uid)) return;
  throw new SocketAuthError({
    message: `Cannot trust the socket "${paths.socket}": it is ${socket.isSocket() ? "another user's" : "not a socket"}`,
    expectedUid: run.uid,
    actualUid: socket.uid,
    operation: "daemon.connect",
  });
}
