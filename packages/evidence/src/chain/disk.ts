import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";

const datasync = promisify(fdatasync);

/** Every way in which a chain changes the disk. Tests make each of them fail, or die in it. */
export interface Disk {
  /** Writes all bytes or throws; some may have been written then. */
  append(fd: number, bytes: Uint8Array): void;
  datasync(fd: number): Promise<void>;
  truncate(fd: number, size: number): void;
  /**
   * Makes a file's next content durable under another name, for {@link publish}: whoever reads sees the old content or
   * the new one, also after a crash.
   */
  prepare(path: string, bytes: Uint8Array): Promise<void>;
  publish(path: string): void;
  rename(from: string, to: string): void;
  /** Makes a file take this many bytes of the disk; as many as there are when it throws. Its content means nothing. */
  hold(path: string, bytes: number): void;
  /** Makes the names in a directory durable. */
  syncDirectory(directory: string): void;
}

export const realDisk: Disk = {
  append: writeAll,
  datasync: (fd) => datasync(fd),
  truncate: ftruncateSync,
  async prepare(path, bytes) {
    const flags = constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY | constants.O_NOFOLLOW;
    const fd = openSync(nextOf(path), flags, 0o600);
    try {
      writeAll(fd, bytes);
      await datasync(fd);
    } finally {
      closeSync(fd);
    }
  },
  publish: (path) => renameSync(nextOf(path), path),
  rename: renameSync,
  hold(path, bytes) {
    const fd = openSync(path, constants.O_CREAT | constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW, 0o600);
    try {
      const held = fstatSync(fd).size;
      // Zeros would take no room where the file system compresses.
      if (held < bytes) writeAll(fd, randomBytes(bytes - held));
      else ftruncateSync(fd, bytes);
    } finally {
      closeSync(fd);
    }
  },
  syncDirectory(directory) {
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
};

/** Writes a new file durably; fails when there is one. */
export function createFile(path: string, bytes: string | Uint8Array, mode: number): void {
  const fd = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, mode);
  try {
    writeAll(fd, typeof bytes === "string" ? Buffer.from(bytes) : bytes);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(fd);
  }
  realDisk.syncDirectory(dirname(path));
}

/** Recovery removes files of this name. */
function nextOf(path: string): string {
  return `${path}.mvm-tmp`;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += writeSync(fd, bytes, at);
}
