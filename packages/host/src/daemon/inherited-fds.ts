import { closeSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const closeOnExec = 0o2000000;
/** Kinds of descriptor Node opens for itself before the first line of a program runs. */
const nodesOwn = /^(anon_inode:|\/memfd:)/;
/** Files of programs, which Node's loader may have open. */
const loadersOwn = /\.([cm]?js|json|wasm|map)$/;
/** Between the two looks at what is open. Milliseconds. */
const settleMs = 15;

interface OpenFd {
  readonly fd: number;
  readonly target: string;
  readonly closesOnExec: boolean;
}

/**
 * Closes every descriptor a careless parent left open, so that none reaches a machine or keeps a client's pipe alive.
 * Node marks the lowest inherited descriptors close-on-exec by itself and leaves the others inheritable, and
 * JavaScript cannot set the flag. Descriptors Node made for itself always have it; they are recognised by kind:
 * anonymous inodes, pipes of which this process holds both ends, and files of programs.
 *
 * Only what is open at two looks counts: a thread of Node's own may be about to close a descriptor, and closing that here as
 * well would close whatever has its number by then.
 *
 * Must be the first thing the process does: later descriptors of the program would be closed as well.
 * @returns the numbers that were closed
 */
export async function closeInheritedFds(keep: ReadonlySet<number>): Promise<number[]> {
  const before = new Map(listOpenFds().map(({ fd, target }) => [fd, target]));
  await sleep(settleMs);
  const open = listOpenFds().filter(({ fd, target }) => fd > 2 && !keep.has(fd) && before.get(fd) === target);
  const ends = new Map<string, number>();
  for (const { target } of open) ends.set(target, (ends.get(target) ?? 0) + 1);
  const inherited = open.filter(
    ({ target, closesOnExec }) =>
      !closesOnExec ||
      !(nodesOwn.test(target) || loadersOwn.test(target) || (target.startsWith("pipe:") && ends.get(target) === 2)),
  );
  const closed: number[] = [];
  for (const { fd } of inherited) {
    try {
      closeSync(fd);
      closed.push(fd);
    } catch {
      // Already gone: the descriptor that read the directory itself.
    }
  }
  return closed;
}

function listOpenFds(): OpenFd[] {
  const found: OpenFd[] = [];
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`);
      const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, "utf8"))?.[1] ?? "0";
      found.push({ fd: Number(name), target, closesOnExec: (Number.parseInt(flags, 8) & closeOnExec) !== 0 });
    } catch {
      // The descriptor of the listing is closed by now.
    }
  }
  return found;
}
