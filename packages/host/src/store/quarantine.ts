import { mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "./atomic.js";

const noteName = "quarantined.json";

/** A sandbox directory that cannot be understood, set aside with its disk. */
export interface Quarantined {
  readonly id: string;
  readonly path: string;
  readonly problem: string;
  readonly time: string;
}

/** Moves a sandbox's directory out of the way; nothing of it is deleted. */
export function quarantine(directory: string, quarantineRoot: string, id: string, problem: string): Quarantined {
  mkdirSync(quarantineRoot, { recursive: true, mode: 0o700 });
  const time = new Date().toISOString();
  const path = join(quarantineRoot, `${id}.${Date.now()}`);
  renameSync(directory, path);
  try {
    writeFileAtomic(join(path, noteName), JSON.stringify({ problem, time }));
  } catch {
    // A full disk: the directory is aside all the same, only the note is missing.
  }
  return { id, path, problem, time };
}

/** What lies in quarantine, for `doctor` and `gc`. */
export function listQuarantined(quarantineRoot: string): Quarantined[] {
  let names: string[];
  try {
    names = readdirSync(quarantineRoot);
  } catch {
    return [];
  }
  return names.sort().map((name) => {
    const path = join(quarantineRoot, name);
    const note = readNote(path);
    return { id: name.split(".")[0] ?? name, path, problem: note.problem ?? "unknown", time: note.time ?? "" };
  });
}

function readNote(path: string): { problem?: string; time?: string } {
  try {
    return JSON.parse(readFileSync(join(path, noteName), "utf8")) as { problem?: string; time?: string };
  } catch {
    return {};
  }
}
