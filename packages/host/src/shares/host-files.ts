import { close, constants, fstat, open, type BigIntStats } from "node:fs";
import { promisify } from "node:util";

const openFile = promisify(open);
const statFile = promisify(fstat) as (fd: number, options: { bigint: true }) => Promise<BigIntStats>;
const closeFile = promisify(close);

/** Linux' O_PATH: a handle on a file that cannot be read or written through it. Not among Node's constants. */
const pathOnly = 0o10000000;

/** How another open of the same file is named: through the handle, whatever its name is by now. */
export function through(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** A name below a directory that is held open. The kernel walks one step only, and follows no link in it. */
export function below(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${through(directory)}/`), name]);
}

/** A handle on whatever has that name, a symbolic link too; nothing is read and no device is touched. */
export function handleOn(path: string | Buffer): Promise<number> {
  return openFile(path, pathOnly | constants.O_NOFOLLOW);
}

/** A handle on the file that another handle or open file is on. */
export function handleFrom(fd: number): Promise<number> {
  return openFile(through(fd), pathOnly);
}

export function statOf(fd: number): Promise<BigIntStats> {
  return statFile(fd, { bigint: true });
}

export { openFile };

/** Closing what is read or held only cannot lose anything. */
export function release(fd: number): void {
  void closeFile(fd).catch(() => undefined);
}
