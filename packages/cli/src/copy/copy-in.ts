import { closeSync, createReadStream, fstatSync, readlinkSync, type Stats } from "node:fs";
import { invalidArgument } from "../errors.js";
import type { CopyBudget } from "./budget.js";
import type { DirectoryHandle } from "./directory-handle.js";
import type { GuestFiles } from "./guest-files.js";
import { explained, type HostPlace } from "./host-place.js";
import type { ProtectedSources } from "./protected-sources.js";
import { denied, linkDenied } from "./refusal.js";
import { type CopySummary, newSummary, skip } from "./summary.js";

/** What every step of one copy shares. */
export interface CopyIn {
  readonly guest: GuestFiles;
  readonly budget: CopyBudget;
  readonly signal: AbortSignal;
  readonly protectedSources: ProtectedSources;
  readonly recursive: boolean;
}

/** Copies a file or directory of the host into a sandbox. Links of the host are copied as links, never followed. */
export async function copyIn(place: HostPlace, target: string, copy: CopyIn): Promise<CopySummary> {
  const { parent, name } = place;
  const stat = parent.stat(name);
  const shown = parent.show(name);
  if (stat === null) throw invalidArgument(`Cannot copy: "${shown}" does not exist`);
  if (stat.isSymbolicLink()) throw linkDenied(shown);
  copy.protectedSources.check(`${parent.realPath().replace(/\/$/, "")}/${name}`, stat);
  if (stat.isDirectory() && !copy.recursive) {
    throw invalidArgument(`Cannot copy "${shown}": it is a directory`, "Copy trees with `cp -r`");
  }
  if (!stat.isDirectory() && !stat.isFile()) {
    throw denied("copy.source.special", `Cannot copy "${shown}": it is neither a file nor a directory`);
  }
  const summary = newSummary();
  await copyEntry(parent, name, target, 0, copy, summary);
  return summary;
}

async function copyEntry(
  parent: DirectoryHandle,
  name: string,
  target: string,
  depth: number,
  copy: CopyIn,
  summary: CopySummary,
): Promise<void> {
  copy.signal.throwIfAborted();
  copy.budget.entry(depth);
  const stat = parent.stat(name);
  if (stat === null) return skip(summary, parent.show(name), "it is gone");
  try {
    if (stat.isSymbolicLink()) await copyLink(parent, name, target, copy, summary);
    else if (stat.isDirectory()) await copyDirectory(parent, name, target, depth, copy, summary);
    else if (stat.isFile()) await copyFile(parent, name, target, copy, summary);
    else skip(summary, parent.show(name), "it is neither a file nor a directory");
  } catch (error) {
    throw explained(error, parent.show(name));
  }
}

async function copyDirectory(
  parent: DirectoryHandle,
  name: string,
  target: string,
  depth: number,
  copy: CopyIn,
  summary: CopySummary,
): Promise<void> {
  const directory = parent.openDirectory(name);
  try {
    const stat = fstatSync(directory.fd);
    copy.protectedSources.checkMet(directory.shown, stat);
    await copy.guest.mkdir(target, stat.mode & 0o777);
    summary.directories++;
    for (const child of directory.list()) {
      if (child === null) skip(summary, `${directory.shown}/?`, "its name is not UTF-8");
      else await copyEntry(directory, child, `${target}/${child}`, depth + 1, copy, summary);
    }
  } finally {
    directory.close();
  }
}

/** Copies what the opened descriptor is, not what the name was when it was looked at. */
async function copyFile(
  parent: DirectoryHandle,
  name: string,
  target: string,
  copy: CopyIn,
  summary: CopySummary,
): Promise<void> {
  const fd = parent.openFile(name);
  let stat: Stats;
  try {
    stat = fstatSync(fd);
    if (!stat.isFile())
      throw invalidArgument(`Cannot copy "${parent.show(name)}": it was exchanged while it was opened`);
    copy.protectedSources.checkMet(parent.show(name), stat);
    copy.budget.content(stat.size);
    const content = () =>
      createReadStream("", {
        fd,
        autoClose: false,
        start: 0,
        end: Math.max(0, stat.size - 1),
        highWaterMark: 256 * 1024,
      });
    const written = await copy.guest.write(target, content, stat.mode & 0o777, stat.mtimeMs);
    if (written !== stat.size) {
      throw invalidArgument(
        `Cannot copy "${parent.show(name)}": it changed while it was read, ${written} of ${stat.size} bytes arrived`,
      );
    }
  } finally {
    closeSync(fd);
  }
  summary.files++;
}

async function copyLink(
  parent: DirectoryHandle,
  name: string,
  target: string,
  copy: CopyIn,
  summary: CopySummary,
): Promise<void> {
  const linked = readlinkSync(parent.at(name));
  if (await copy.guest.symlink(target, linked)) summary.links++;
  else skip(summary, parent.show(name), "the sandbox has an entry of that name already");
}
