import { rm } from "node:fs/promises";
import { basename } from "node:path";
import { findByCookie } from "../../processes/find-by-cookie.js";
import { killIfSame } from "../../processes/identity.js";
import type { MachineIdentity } from "../backend.js";

/** Lets machines die with the daemon: the reaper. */
export interface Guard {
  add(process: MachineIdentity): void;
  remove(process: MachineIdentity): void;
}

/** Name of a machine that belongs to no sandbox, from its directory, which is random: a later daemon finds it by that. */
export function helperCookie(directory: string): string {
  return `helper-${basename(directory).replace(/^\./, "")}`;
}

/** Ends the machines that work in these directories, and removes the directories. */
export async function removeWithMachines(directories: readonly string[]): Promise<void> {
  const found = findByCookie(new Set(directories.map(helperCookie)));
  for (const process of [...found.values()].flat()) killIfSame(process);
  for (const path of directories) await rm(path, { recursive: true, force: true });
}
