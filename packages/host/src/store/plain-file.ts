import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/**
 * Text of a small record that others may have tampered with: a link is not followed, a FIFO not waited for, and a file larger
 * than `maxBytes` not read. @throws what the system says, or that it is no such file
 */
export function readPlainFile(path: string, maxBytes: number): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const at = fstatSync(fd);
    if (!at.isFile()) throw new Error("it is not a plain file");
    if (at.size > maxBytes) throw new Error("it is too large");
    const bytes = Buffer.alloc(at.size);
    let length = 0;
    while (length < bytes.length) {
      const got = readSync(fd, bytes, length, bytes.length - length, length);
      if (got === 0) break;
      length += got;
    }
    return bytes.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}
