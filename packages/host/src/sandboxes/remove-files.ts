import { renameSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { CleanupError } from "@mvm/protocol";
import { temporarySuffix } from "../store/atomic.js";
import type { Sandbox } from "./sandbox.js";

/**
 * Deletes everything a sandbox has on the host.
 * @throws {CleanupError} something is left; recovery and gc try again
 */
export async function removeDirectory(sandbox: Sandbox): Promise<void> {
  sandbox.logs.close();
  try {
    const doomed = putAway(sandbox.files.directory);
    for (const path of [doomed, sandbox.files.directory])
      await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
  } catch (cause) {
    throw new CleanupError({
      message: `Cannot remove the files of sandbox "${sandbox.id}": ${(cause as NodeJS.ErrnoException).code ?? "unknown"}`,
      sandboxId: sandbox.id,
      cause,
    });
  }
}

/**
 * Takes a sandbox's directory its name, in one step: a daemon that dies while it deletes leaves rubbish, not a sandbox that
 * lacks some of its files. Returns the new name.
 */
export function putAway(directory: string): string {
  const doomed = `${directory}${temporarySuffix}`;
  try {
    renameSync(directory, doomed);
  } catch {
    // Gone or put away already. Whatever else hinders will hinder the deletion too, which says so.
  }
  return doomed;
}

/** Removes what writes that a crash interrupted have left in a sandbox that lives on. */
export async function removeUnfinished(sandbox: Sandbox): Promise<void> {
  const names = await readdir(sandbox.files.directory).catch(() => []);
  for (const name of names.filter((entry) => entry.endsWith(temporarySuffix))) {
    await rm(join(sandbox.files.directory, name), { recursive: true, force: true });
  }
}

/** Deletes a failed sandbox's disk and sockets; its state and its bounded logs stay, to be asked why. */
export async function removeAllButEvidence(sandbox: Sandbox): Promise<void> {
  const { directory, state, consoleLog, supervisorLog } = sandbox.files;
  const kept = new Set([state, consoleLog, supervisorLog].map((path) => basename(path)));
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    if (kept.has(name) || kept.has(name.replace(/\.1$/, ""))) continue;
    await rm(join(directory, name), { recursive: true, force: true });
  }
}
