import { basename, resolve } from "node:path";
import { fstatSync } from "node:fs";
import { DirectoryHandle } from "./directory-handle.js";
import { invalidArgument } from "../errors.js";

/** A typed path of the host: the open directory it lies in and its name there. */
export interface HostPlace extends Disposable {
  readonly parent: DirectoryHandle;
  readonly name: string;
}

/**
 * Opens the directory a typed path lies in, one component after the other and following no link: one that was planted
 * on the way cannot lead the copy elsewhere. Links in `/` itself are the system's own (`/tmp`, `/home` on some hosts);
 * only root can make them, so they are followed.
 */
export function openPlace(path: string): HostPlace {
  const absolute = resolve(path);
  const name = basename(absolute);
  if (name === "") throw invalidArgument('Cannot copy to or from "/" itself', "Name a directory below it");
  let parent = DirectoryHandle.root();
  for (const component of absolute.split("/").slice(1, -1)) {
    const previous = parent;
    try {
      parent = isSystemLink(previous, component)
        ? previous.followDirectory(component)
        : previous.openDirectory(component);
    } catch (error) {
      throw explained(error, previous.show(component));
    } finally {
      previous.close();
    }
  }
  return { parent, name, [Symbol.dispose]: () => parent.close() };
}

function isSystemLink(directory: DirectoryHandle, name: string): boolean {
  if (directory.shown !== "") return false;
  const root = fstatSync(directory.fd);
  return root.uid === 0 && (root.mode & 0o022) === 0 && directory.stat(name)?.isSymbolicLink() === true;
}

/** A failure of the file system as the error it is to the user. */
export function explained(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return invalidArgument(`Cannot copy: "${path}" does not exist`);
  if (code === "ENOTDIR") return invalidArgument(`Cannot copy: "${path}" is not a directory`);
  if (code === "EACCES" || code === "EPERM")
    return invalidArgument(`Cannot copy: "${path}" may not be opened (${code})`);
  return error;
}
