import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { CleanupError } from "@mvm/protocol";
import type { Sandbox } from "./sandbox.js";

/**
 * Deletes everything a sandbox has on the host.
 * @throws {CleanupError} something is left; recovery and gc try again
 */
export async function removeDirectory(sandbox: Sandbox): Promise<void> {
  sandbox.logs.close();
  try {
    await rm(sandbox.files.directory, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
  } catch (cause) {
    throw new CleanupError({
      message: `Cannot remove the files of sandbox "${sandbox.id}": ${(cause as NodeJS.ErrnoException).code ?? "unknown"}`,
      sandboxId: sandbox.id,
      cause,
    });
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
