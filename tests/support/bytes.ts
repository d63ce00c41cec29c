import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** Changes one byte of a file and nothing else; doing it again puts it right. Sparse files stay sparse. */
export function flipByte(path: string, at: number): void {
  const fd = openSync(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, at);
    byte[0]! ^= 0x40;
    writeSync(fd, byte, 0, 1, at);
  } finally {
    closeSync(fd);
  }
}
