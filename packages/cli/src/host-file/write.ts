import { createWriteStream, openSync, statSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { createError } from "@mvm/protocol/errors";
import { invalidArgument } from "../errors.js";

/**
 * Writes a file of mode 0600 that is there whole or not at all. The place is tried before `content` is called, so that one
 * that cannot be written to costs no transfer. Returns the bytes written.
 * @throws {InvalidArgumentError} naming a path that cannot be written to
 */
export async function writeWhole(
  path: string,
  content: () => Promise<AsyncIterable<Uint8Array>>,
  race: <T>(work: Promise<T>) => Promise<T>,
): Promise<number> {
  const half = `${path}.${process.pid}.part`;
  const out = createWriteStream(half, { fd: openNew(path, half) });
  try {
    await race(content().then((chunks) => pipeline(chunks, out)));
    await rename(half, path);
    return out.bytesWritten;
  } catch (error) {
    out.destroy();
    await rm(half, { force: true });
    throw explained(path, error);
  }
}

function openNew(path: string, half: string): number {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return openSync(half, "wx", 0o600);
  } catch (error) {
    throw explained(path, error);
  }
  throw unwritable(path, "it is a directory");
}

function explained(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case "ENOENT":
      return unwritable(path, `there is no directory ${JSON.stringify(dirname(path))}`);
    case "ENOTDIR":
      return unwritable(path, `${JSON.stringify(dirname(path))} is not a directory`);
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return unwritable(path, "this user may not");
    case "ENOSPC":
    case "EDQUOT":
      return createError("TRANSPORT_FAILED", {
        message: `Cannot write ${JSON.stringify(path)}: there is no space left`,
        hint: "Free some space, or choose another place",
      });
    default:
      return error;
  }
}

function unwritable(path: string, why: string): Error {
  return invalidArgument(`Cannot write ${JSON.stringify(path)}: ${why}`, "Name a file in a directory you can write to");
}
