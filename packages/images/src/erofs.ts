import { open } from "node:fs/promises";
import { imageError } from "./errors.js";

const superblockOffset = 1024;
const magic = 0xe0f5e1e2;

/** Throws `BuildError` unless the file begins like an EROFS image: a cut-off copy must not get a digest. */
export async function checkErofs(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    const superblock = Buffer.alloc(128);
    const { bytesRead } = await handle.read(superblock, 0, superblock.length, superblockOffset);
    const blockBytes = 2 ** (superblock[12] ?? 0);
    const declared = superblock.readUInt32LE(36) * blockBytes;
    const { size } = await handle.stat();
    if (bytesRead < superblock.length || superblock.readUInt32LE(0) !== magic || declared > size) {
      throw imageError("build", "Cannot use the packed image: it is not a whole EROFS file system");
    }
  } finally {
    await handle.close();
  }
}
