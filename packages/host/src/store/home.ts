import { accessSync, chmodSync, constants, lstatSync, mkdirSync, realpathSync, type Stats } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { isSandboxError, SocketAuthError, VmConfigError } from "@mvm/protocol/errors";
import { homeLayout, type HomeLayout } from "./layout.js";

/** Longest path of a Unix socket on Linux, without the terminating NUL. */
const maxSocketPathBytes = 107;

/**
 * The state root the environment names: `$MVM_HOME`, else `$XDG_DATA_HOME/mvm`, else `~/.local/share/mvm`. Absolute: a
 * relative name counts from the working directory, as clients take it.
 */
export function stateRoot(env: Readonly<Record<string, string | undefined>>): string {
  const chosen = env["MVM_HOME"] || (env["XDG_DATA_HOME"] && join(env["XDG_DATA_HOME"], "mvm"));
  const root = chosen || (env["HOME"] && join(env["HOME"], ".local/share/mvm"));
  if (!root) {
    throw new VmConfigError({
      message: "Cannot find the state root: neither MVM_HOME nor HOME is set",
      hint: "Set MVM_HOME",
    });
  }
  return resolve(root);
}

/**
 * Makes the state root if there is none, refuses one that others could have prepared or can change, and makes its
 * directories, all 0700. Sets the umask of the process, so that everything made later is private too.
 * @throws {VmConfigError} the state root cannot be trusted, cannot hold the daemon's socket, or the file system refuses it
 * @throws {SocketAuthError} a directory in it cannot be trusted
 */
export function openHome(root: string): HomeLayout {
  process.umask(0o077);
  const layout = homeLayout(root);
  const socketBytes = Buffer.byteLength(layout.socket);
  if (socketBytes > maxSocketPathBytes) {
    throw new VmConfigError({
      message: `Cannot use the state root "${root}": its socket path has ${socketBytes} bytes, the system allows ${maxSocketPathBytes}`,
      hint: "Set MVM_HOME to a shorter path",
    });
  }
  try {
    mkdirSync(dirname(root), { recursive: true });
    makePrivate(root, root);
    accessSync(root, constants.W_OK | constants.X_OK);
    checkAncestors(root, dirname(realpathSync(root)));
    for (const directory of [layout.run, layout.sandboxes, layout.quarantine, layout.logs, layout.temporary]) {
      makePrivate(directory, root);
    }
  } catch (error) {
    throw isSandboxError(error) ? error : unusable(root, error as NodeJS.ErrnoException);
  }
  return layout;
}

/** The file system refuses: no space, no permission, a file where a directory should be. */
function unusable(root: string, cause: NodeJS.ErrnoException): VmConfigError {
  return new VmConfigError({
    message: `Cannot use the state root "${root}": ${cause.message}`,
    hint: "Set MVM_HOME to a directory that this user can write to and that has space",
    cause,
  });
}

function unusableRoot(root: string, why: string): VmConfigError {
  return new VmConfigError({
    message: `Cannot use the state root "${root}": ${why}`,
    hint: "Set MVM_HOME to a directory of your own that nobody else can write to",
  });
}

function makePrivate(directory: string, root: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const at = lstatSync(directory);
  const problem = distrust(at);
  if (problem !== undefined)
    throw directory === root ? unusableRoot(root, problem) : untrusted(directory, problem, at.uid);
  if ((at.mode & 0o077) !== 0) chmodSync(directory, 0o700);
}

function distrust(at: Stats): string | undefined {
  if (at.isSymbolicLink()) return "it is a symbolic link";
  if (!at.isDirectory()) return "it is not a directory";
  if (at.uid !== process.geteuid?.()) return `it belongs to another user (${at.uid}, not ${process.geteuid?.()})`;
  if ((at.mode & 0o022) !== 0)
    return `others can write to it (its mode is ${(at.mode & 0o7777).toString(8).padStart(4, "0")})`;
  return undefined;
}

/** Whoever can write to a directory above can move the root away and put another in its place; /tmp's sticky bit prevents that. */
function checkAncestors(root: string, from: string): void {
  for (let directory = from; ; directory = dirname(directory)) {
    const at = lstatSync(directory);
    if ((at.mode & 0o002) !== 0 && (at.mode & 0o1000) === 0)
      throw unusableRoot(root, `every user can write to "${directory}" above it`);
    if (directory === dirname(directory)) return;
  }
}

function untrusted(path: string, problem: string, actualUid: number): SocketAuthError {
  return new SocketAuthError({
    message: `Cannot use "${path}" for the state root: ${problem}`,
    expectedUid: process.geteuid?.() ?? -1,
    actualUid,
  });
}
