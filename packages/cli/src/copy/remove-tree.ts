import { rmdirSync, unlinkSync } from "node:fs";
import type { DirectoryHandle } from "./directory-handle.js";

/** Removes an entry with all that is in it, through handles: links are removed, never followed. */
export function removeTree(parent: DirectoryHandle, name: string): void {
  const stat = parent.stat(name);
  if (stat === null) return;
  if (!stat.isDirectory()) return unlinkSync(parent.at(name));
  const directory = parent.openDirectory(name);
  try {
    for (const child of directory.list()) if (child !== null) removeTree(directory, child);
  } finally {
    directory.close();
  }
  rmdirSync(parent.at(name));
}
