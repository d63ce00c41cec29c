import type { DirectoryHandle } from "./directory-handle.js";
import { invalidArgument } from "../errors.js";
import { linkDenied } from "./refusal.js";

/**
 * Moves a finished entry to its final name: a rename, so that a name never holds half a file. Two directories are
 * merged. With `check` nothing is moved and only the obstacles are looked for. A destination that is a link is refused.
 */
export function install(
  from: DirectoryHandle,
  name: string,
  to: DirectoryHandle,
  newName: string,
  check: boolean,
): void {
  const old = to.stat(newName);
  if (old?.isSymbolicLink()) throw linkDenied(to.show(newName));
  const fresh = from.stat(name);
  if (old === null) {
    if (!check) from.move(name, to, newName);
    return;
  }
  if (old.isDirectory() !== fresh?.isDirectory()) {
    const kind = old.isDirectory() ? "a directory" : "no directory";
    throw invalidArgument(`Cannot replace "${to.show(newName)}": it is ${kind} and the copied entry is the contrary`);
  }
  if (!old.isDirectory()) {
    if (!check) from.move(name, to, newName);
    return;
  }
  const source = from.openDirectory(name);
  try {
    const target = to.openDirectory(newName);
    try {
      for (const child of source.list()) if (child !== null) install(source, child, target, child, check);
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}
