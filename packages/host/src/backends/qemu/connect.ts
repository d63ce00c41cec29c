import { closeSync, constants, existsSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How often a socket that QEMU has not made yet is looked for. Milliseconds. */
const pollMs = 1;

/**
 * Connects to a Unix socket that a starting QEMU is about to make.
 * @returns undefined when `stop` says so or the deadline passes first
 */
export async function connectWhenThere(
  path: string,
  deadlineMs: number,
  stop: () => boolean,
): Promise<Socket | undefined> {
  const end = performance.now() + deadlineMs;
  while (performance.now() < end && !stop()) {
    // The file exists from bind() on, QEMU accepts from listen() on: in between the connection is refused.
    const socket = existsSync(path) ? await tryConnect(path) : undefined;
    if (socket !== undefined) return socket;
    await sleep(pollMs);
  }
  return undefined;
}

/** One attempt. Undefined when nobody listens. */
export function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connectTo(path);
    const refused = (): void => resolve(undefined);
    socket.once("error", refused);
    socket.once("connect", () => {
      socket.off("error", refused);
      // Every socket has an error handler from birth; its end is noticed through "close".
      socket.on("error", () => undefined);
      resolve(socket);
    });
  });
}

/** What a socket's address holds at most (`sun_path` of unix(7), without its NUL). Bytes. */
const maxAddressBytes = 107;

/**
 * Begins to connect to a Unix socket, however long its path: one that no address holds is reached through its directory.
 * @throws {Error} the directory cannot be opened
 */
export function connectTo(path: string): Socket {
  if (Buffer.byteLength(path) <= maxAddressBytes) return connect(path);
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  const socket = connect(`/proc/self/fd/${directory}/${basename(path)}`);
  const done = (): void => {
    socket.off("connect", done).off("close", done);
    closeSync(directory);
  };
  return socket.once("connect", done).once("close", done);
}
