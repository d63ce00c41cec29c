import { randomBytes } from "node:crypto";
import type { FileEntryDocument } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import type { CopyBudget } from "./budget.js";
import { isComponent } from "./component.js";
import type { DirectoryHandle } from "./directory-handle.js";
import type { GuestFiles } from "./guest-files.js";
import type { HostPlace } from "./host-place.js";
import { install } from "./install.js";
import { staysInside } from "./link-target.js";
import { removeTree } from "./remove-tree.js";
import { type CopySummary, newSummary, skip } from "./summary.js";
import { writeFile } from "./write-file.js";
import { symlinkSync } from "node:fs";

/** What every step of one copy shares. */
export interface CopyOut {
  readonly guest: GuestFiles;
  readonly budget: CopyBudget;
  readonly signal: AbortSignal;
  readonly umask: number;
}

/** Name of the entry within the staging directory. */
const staged = "tree";

/**
 * Copies a file or directory of a sandbox to a place of the host. Everything is written below a directory of our own
 * beside the destination and moved when it is complete: a failure or a kill leaves no half file under a final name.
 */
export async function copyOut(
  source: string,
  entry: FileEntryDocument,
  place: HostPlace,
  copy: CopyOut,
): Promise<CopySummary> {
  const { parent, name } = place;
  const summary = newSummary();
  const stageName = `.mvm-cp-${randomBytes(8).toString("hex")}`;
  const stage = parent.createDirectory(stageName);
  try {
    await copyEntry(source, { ...entry, name: staged }, stage, 0, copy, summary);
    install(stage, staged, parent, name, true);
    install(stage, staged, parent, name, false);
    return summary;
  } finally {
    stage.close();
    removeTree(parent, stageName);
  }
}

async function copyEntry(
  path: string,
  entry: FileEntryDocument,
  into: DirectoryHandle,
  depth: number,
  copy: CopyOut,
  summary: CopySummary,
): Promise<void> {
  copy.signal.throwIfAborted();
  copy.budget.entry(depth);
  const name = entry.name;
  if (name === undefined) return skip(summary, path, "its name is not UTF-8");
  if (!isComponent(name)) throw hostile(path, `it lists an entry named ${JSON.stringify(name.slice(0, 300))}`);
  const mode = entry.mode & 0o777 & ~copy.umask;
  if (entry.type === "directory") {
    const directory = exclusively(path, () => into.createDirectory(name));
    try {
      for await (const child of copy.guest.list(path)) {
        await copyEntry(`${path}/${child.name ?? "?"}`, child, directory, depth + 1, copy, summary);
      }
      directory.finish(mode | 0o700, entry.mtime_ms);
    } finally {
      directory.close();
    }
    summary.directories++;
  } else if (entry.type === "file") {
    const fd = exclusively(path, () => into.createFile(name));
    await writeFile(fd, await copy.guest.read(path), { mode, mtimeMs: entry.mtime_ms }, copy.budget);
    summary.files++;
  } else if (entry.type === "symlink") {
    const target = entry.target;
    // The staged root itself is at depth 0: a link there would lead out of what is copied.
    if (target === undefined || !staysInside(target, depth - 1))
      return skip(summary, path, "it is a link that leads out of the copied tree");
    exclusively(path, () => symlinkSync(target, into.at(name)));
    summary.links++;
  } else {
    skip(summary, path, `it is a ${entry.type}`);
  }
}

/** A name that exists already in a directory we made was listed twice, or differs only by case where that is no difference. */
function exclusively<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw hostile(path, "it lists two entries of that name");
    throw error;
  }
}

function hostile(path: string, why: string): Error {
  return createError("PROTOCOL_VIOLATION", {
    message: `Cannot copy "${path.slice(0, 300)}" out of the sandbox: ${why}`,
    hint: "Nothing was copied; the sandbox's files or its agent are not to be trusted",
    outcome: "not_started",
  });
}
