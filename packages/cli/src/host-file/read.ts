import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { invalidArgument } from "../errors.js";

/** Reads a file whose content is to be judged: a regular one, and no larger than it can be. */
export function readBounded(path: string, maxBytes: number): Buffer | "too_large" {
  return reading(JSON.stringify(path), () =>
    regularFile(path).size > maxBytes ? ("too_large" as const) : readFileSync(path),
  );
}

/**
 * Looks whether a file can be read before anything is asked of the daemon for it.
 * @throws {InvalidArgumentError} naming the path
 */
export function requireReadable(path: string): void {
  reading(JSON.stringify(path), () => {
    regularFile(path);
    accessSync(path, constants.R_OK);
  });
}

function regularFile(path: string): { readonly size: number } {
  const at = statSync(path);
  if (!at.isFile()) throw new TypeError("it is not a regular file");
  return at;
}

/** Says which file cannot be read, and why. */
export function reading<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unreadable(what, error);
  }
}

/** A file that cannot be read says nothing about what it holds. */
export function unreadable(what: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined && !/^E[A-Z]+$/.test(code)) return error as Error;
  const why = code === "EACCES" ? "this user may not" : code === "ENOENT" ? "it is not there" : message;
  return invalidArgument(`Cannot read ${what}: ${why}`, "Name a file that this user can read");
}
