import { constants, fsync, read, write } from "node:fs";
import { promisify } from "node:util";
import { Errno } from "./errno.js";
import { openFile, release, statOf, through } from "./host-files.js";
import { Listing } from "./listing.js";
import { pack } from "./wire.js";

const readFile = promisify(read);
const writeFile = promisify(write);
const syncFile = promisify(fsync);

/** Files and directories one share may have open at a time. */
const maxOpen = 4096;

/** What of a program's flags is passed on; the rest is the guest kernel's business. */
const passedOn =
  constants.O_WRONLY | constants.O_RDWR | constants.O_APPEND | constants.O_TRUNC | constants.O_SYNC | constants.O_DSYNC;

/** `struct fuse_open_out`: nothing of a file is kept in the guest from one opening to the next. */
export function openedAs(number: number): Buffer {
  return pack([64, number], [32, 0], [32, 0]);
}

/** What the guest has open, by the numbers it was given. */
export class OpenFiles {
  readonly #files = new Map<number, number>();
  readonly #directories = new Map<number, Listing>();
  #next = 1;

  /** Opens the regular file that a handle is on. Returns the number for it. */
  async open(handle: number, flags: number): Promise<number> {
    const stats = await statOf(handle);
    // Opening a device acts on it, and opening a pipe may wait for ever.
    if (!stats.isFile()) throw new Errno("EACCES");
    this.#bound();
    return this.add(await openFile(through(handle), (flags & passedOn) | constants.O_NONBLOCK));
  }

  /** Takes a file that is open over. */
  add(fd: number): number {
    const number = this.#next++;
    this.#files.set(number, fd);
    return number;
  }

  async openDirectory(handle: number): Promise<number> {
    this.#bound();
    const fd = await openFile(through(handle), constants.O_RDONLY | constants.O_DIRECTORY);
    const number = this.#next++;
    this.#directories.set(number, new Listing(fd));
    return number;
  }

  async read(number: number, offset: number, size: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(size);
    let length = 0;
    // The guest takes a short answer for the end of the file.
    while (length < size) {
      const { bytesRead } = await readFile(this.#file(number), buffer, length, size - length, offset + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  }

  async write(number: number, offset: number, data: Buffer): Promise<number> {
    const { bytesWritten } = await writeFile(this.#file(number), data, 0, data.length, offset);
    return bytesWritten;
  }

  list(number: number, place: number, size: number): Promise<Buffer> {
    const listing = this.#directories.get(number);
    if (listing === undefined) throw new Errno("EBADF");
    return listing.read(place, size);
  }

  async sync(number: number): Promise<undefined> {
    await syncFile(this.#file(number));
    return undefined;
  }

  release(number: number): undefined {
    const fd = this.#files.get(number);
    if (fd !== undefined) release(fd);
    this.#files.delete(number);
    this.#directories.get(number)?.close();
    this.#directories.delete(number);
    return undefined;
  }

  close(): void {
    for (const number of [...this.#files.keys(), ...this.#directories.keys()]) this.release(number);
  }

  #bound(): void {
    if (this.#files.size + this.#directories.size >= maxOpen) throw new Errno("EMFILE");
  }

  #file(number: number): number {
    const fd = this.#files.get(number);
    if (fd === undefined) throw new Errno("EBADF");
    return fd;
  }
}
