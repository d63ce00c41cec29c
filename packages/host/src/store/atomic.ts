import { closeSync, constants, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { fault } from "../observe/fault.js";

let counter = 0;

/** Marks unfinished files; a crash may leave one behind, recovery and gc remove it. */
export const temporarySuffix = ".mvm-tmp";

export interface AtomicWriteOptions {
  /** Survive a power failure: fsync of the file and of its directory. Costs milliseconds; off by default. */
  readonly durable?: boolean;
}

/**
 * Replaces a file as a whole: a reader, or a crash at any point, sees the old content or the new one.
 * Synchronous: the files are small, and a state change must not interleave with another.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, options: AtomicWriteOptions = {}): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${++counter}${temporarySuffix}`);
  const fd = openSync(
    temporary,
    constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    try {
      const bytes = typeof data === "string" ? Buffer.from(data) : data;
      for (let at = 0; at < bytes.byteLength;) at += writeSync(fd, bytes, at);
      if (options.durable === true) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    fault("store.before-rename");
    renameSync(temporary, path);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // Renamed already, or the disk is gone: the first error counts.
    }
    throw error;
  }
  if (options.durable === true) syncDirectory(dirname(path));
}

/** Makes the names in a directory durable. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
