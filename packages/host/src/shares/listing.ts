import type { Dir, Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import { release, through } from "./host-files.js";
import { packDirent } from "./wire.js";

interface Entry {
  readonly name: Buffer;
  readonly type: number;
}

/** `d_type` of readdir(3). */
const types = { file: 8, directory: 4, link: 10, unknown: 0 } as const;

/**
 * A directory that the guest reads. A place in it is the count of entries before it; the last page is kept, because the guest's
 * kernel asks again for what a program had no room for.
 */
export class Listing {
  #directory: Dir | undefined;
  #page: Entry[] = [];
  /** Place of the first entry of the page, and of the one behind the last. */
  #from = 0;
  #to = 0;

  /** @param fd the directory, open; this owns it */
  constructor(private readonly fd: number) {}

  /** Whole entries from `place` on, as many as `size` bytes hold; empty at the end. */
  async read(place: number, size: number): Promise<Buffer> {
    if (place < this.#from || place > this.#to) await this.#seek(place);
    this.#page.splice(0, place - this.#from);
    this.#from = place;
    const parts: Buffer[] = [];
    let room = size;
    for (let index = 0; ; index++) {
      const entry = this.#page[index] ?? (await this.#next());
      if (entry === undefined) break;
      const bytes = packDirent(entry.name, entry.type, place + index + 1);
      if (bytes.length > room) break;
      room -= bytes.length;
      parts.push(bytes);
    }
    return Buffer.concat(parts);
  }

  close(): void {
    void this.#directory?.close().catch(() => undefined);
    release(this.fd);
  }

  async #seek(place: number): Promise<void> {
    await this.#directory?.close();
    this.#directory = undefined;
    this.#page = [];
    this.#from = this.#to = 0;
    while (this.#to < place && (await this.#next()) !== undefined) {
      this.#page = [];
      this.#from = this.#to;
    }
  }

  async #next(): Promise<Entry | undefined> {
    const entry = await this.#entry();
    if (entry === undefined) return undefined;
    this.#page.push(entry);
    this.#to += 1;
    return entry;
  }

  async #entry(): Promise<Entry | undefined> {
    const special = [".", ".."][this.#to];
    if (special !== undefined) return { name: Buffer.from(special), type: types.directory };
    // Names are bytes to a file system; @types/node knows them as strings only.
    this.#directory ??= await opendir(through(this.fd), { encoding: "buffer" as BufferEncoding });
    const found = (await this.#directory.read()) as unknown as Dirent<Buffer> | null;
    return found === null ? undefined : { name: found.name, type: typeOf(found) };
  }
}

function typeOf(entry: Dirent<Buffer>): number {
  if (entry.isFile()) return types.file;
  if (entry.isDirectory()) return types.directory;
  return entry.isSymbolicLink() ? types.link : types.unknown;
}
