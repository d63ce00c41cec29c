import * as fs from "node:fs";
import { invalidArgument } from "../errors.js";
import { isComponent } from "./component.js";
import { linkDenied } from "./refusal.js";

/** Opens a place in the file system without access to its content: search permission is enough. Linux only. */
const O_PATH = 0o10000000;
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/**
 * A directory by its descriptor. Entries are reached as `/proc/self/fd/<n>/<name>`: the kernel resolves one name inside
 * this very directory, wherever others move it meanwhile, and no link is followed. A path that was checked and is then
 * opened as a string offers no such guarantee.
 */
export class DirectoryHandle {
  private constructor(
    readonly fd: number,
    /** The path as it was typed, for messages only. */
    readonly shown: string,
  ) {}

  /** The root of the file system. */
  static root(): DirectoryHandle {
    return new DirectoryHandle(fs.openSync("/", O_PATH | O_DIRECTORY), "");
  }

  /** The path of an entry, valid while the handle is open. */
  at(name: string): string {
    if (!isComponent(name)) throw invalidArgument(`Cannot use ${JSON.stringify(name)} as the name of a file`);
    return `/proc/self/fd/${this.fd}/${name}`;
  }

  /** The path of an entry for messages. */
  show(name: string): string {
    return `${this.shown}/${name}`;
  }

  /** Where the directory is now. */
  realPath(): string {
    return fs.readlinkSync(`/proc/self/fd/${this.fd}`);
  }

  /** The entry's own status; null when it does not exist. */
  stat(name: string): fs.Stats | null {
    return fs.lstatSync(this.at(name), { throwIfNoEntry: false }) ?? null;
  }

  /** Opens a directory in this one. Throws `PolicyDenied` for a link. */
  openDirectory(name: string): DirectoryHandle {
    try {
      return new DirectoryHandle(fs.openSync(this.at(name), O_PATH | O_DIRECTORY | O_NOFOLLOW), this.show(name));
    } catch (error) {
      if (this.stat(name)?.isSymbolicLink()) throw linkDenied(this.show(name));
      throw error;
    }
  }

  /** Opens the directory a link in this one leads to. Only for links nobody but root can have made. */
  followDirectory(name: string): DirectoryHandle {
    return new DirectoryHandle(fs.openSync(this.at(name), O_PATH | O_DIRECTORY), this.show(name));
  }

  /** Makes a directory that did not exist, closed to others. */
  createDirectory(name: string): DirectoryHandle {
    fs.mkdirSync(this.at(name), 0o700);
    return this.openDirectory(name);
  }

  /** Opens a file for reading; what it is has to be asked of the descriptor. Does not block on a FIFO. */
  openFile(name: string): number {
    return fs.openSync(this.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }

  /** Makes a file that did not exist, closed to others. */
  createFile(name: string): number {
    return fs.openSync(this.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }

  /** Names of the entries, sorted; those that are not UTF-8 come as null. */
  list(): (string | null)[] {
    const names = fs.readdirSync(`/proc/self/fd/${this.fd}`, { encoding: "buffer" });
    return names
      .sort((a, b) => a.compare(b))
      .map((bytes) => (bytes.equals(Buffer.from(bytes.toString())) ? bytes.toString() : null));
  }

  /** Moves an entry into another directory. A link under the new name is replaced, never followed. */
  move(name: string, to: DirectoryHandle, newName: string): void {
    fs.renameSync(this.at(name), to.at(newName));
  }

  /** Sets the directory's own permissions and time. */
  finish(mode: number, mtimeMs: number): void {
    fs.chmodSync(`/proc/self/fd/${this.fd}`, mode);
    fs.utimesSync(`/proc/self/fd/${this.fd}`, mtimeMs / 1000, mtimeMs / 1000);
  }

  close(): void {
    fs.closeSync(this.fd);
  }
}
