import { open, type FileHandle } from "node:fs/promises";
import { SnapshotError } from "@mvm/protocol";

/**
 * Reads the places of things in a migration stream written with the capability `mapped-ram`: every page of guest memory lies
 * at a fixed offset of the file, so that the file can be mapped as the memory of the next machine.
 * Format: https://www.qemu.org/docs/master/devel/migration/mapped-ram.html
 */
export interface MappedRam {
  /** Where the guest's memory begins in the file, and its length. Bytes. */
  readonly pagesAt: number;
  readonly length: number;
  /** Where the bitmap of pages that were written begins: everything before it is the head of the stream. */
  readonly bitmapAt: number;
}

/** Name of the memory block: the id of the memory backend on the command line. */
const blockName = "mem";
const magic = 0x5145564d; // "QEVM"
/** The memory is the first block, so its entry comes early. Bytes. */
const headBytes = 64 * 1024;
const entryVersion = 1;
const pageBytes = 4096;

/** Finds the memory block's entry in the head of a stream. @throws {SnapshotError} it is no such stream */
export function findMappedRam(head: Buffer, memoryBytes: number, fileBytes: number): MappedRam {
  if (head.length < 8 || head.readUInt32BE(0) !== magic) throw unreadable("it does not begin like one");
  const name = Buffer.concat([Buffer.from([blockName.length]), Buffer.from(blockName, "latin1")]);
  for (let at = head.indexOf(name); at >= 0; at = head.indexOf(name, at + 1)) {
    const entry = at + name.length;
    if (entry + 36 > head.length) break;
    const found = {
      length: Number(head.readBigUInt64BE(entry)),
      bitmapAt: Number(head.readBigUInt64BE(entry + 20)),
      pagesAt: Number(head.readBigUInt64BE(entry + 28)),
    };
    const plausible =
      found.length === memoryBytes &&
      head.readUInt32BE(entry + 8) === entryVersion &&
      Number(head.readBigUInt64BE(entry + 12)) === pageBytes &&
      found.bitmapAt === entry + 36 &&
      found.pagesAt >= found.bitmapAt + memoryBytes / pageBytes / 8 &&
      found.pagesAt % pageBytes === 0 &&
      found.pagesAt + found.length <= fileBytes;
    if (plausible) return found;
  }
  throw unreadable("it has no entry for the guest's memory");
}

/**
 * Writes beside a memory file the stream that loads only the devices: a sparse file of the same layout without the bitmap, so
 * that QEMU finds no page to read and leaves the mapped memory as it is. A few hundred kilobytes, loaded in milliseconds.
 * @returns offset of the guest's memory in the memory file
 * @throws {SnapshotError} the file is not what QEMU writes
 */
export async function writeDeviceState(memory: string, state: string, memoryMb: number): Promise<number> {
  const from = await open(memory, "r");
  try {
    const { size } = await from.stat();
    const head = Buffer.alloc(Math.min(headBytes, size));
    await from.read(head, 0, head.length, 0);
    const ram = findMappedRam(head, memoryMb * 1024 * 1024, size);
    const to = await open(state, "wx", 0o600);
    try {
      await to.write(head, 0, ram.bitmapAt, 0);
      await copySparse(from, to, ram.pagesAt + ram.length, size);
      await to.truncate(size);
    } finally {
      await to.close();
    }
    return ram.pagesAt;
  } finally {
    await from.close();
  }
}

/** Copies a range and leaves holes where it is zero. */
async function copySparse(from: FileHandle, to: FileHandle, begin: number, end: number): Promise<void> {
  const chunk = Buffer.alloc(pageBytes * 16);
  const zeros = Buffer.alloc(chunk.length);
  for (let at = begin; at < end;) {
    const { bytesRead } = await from.read(chunk, 0, Math.min(chunk.length, end - at), at);
    if (bytesRead === 0) throw unreadable("it is cut short");
    if (chunk.compare(zeros, 0, bytesRead, 0, bytesRead) !== 0) await to.write(chunk, 0, bytesRead, at);
    at += bytesRead;
  }
}

function unreadable(why: string): SnapshotError {
  return new SnapshotError({ message: `Cannot read the machine's saved memory: ${why}`, outcome: "not_started" });
}
