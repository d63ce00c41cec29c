import { statSync } from "node:fs";
import type { FastifyInstance } from "fastify";
import { destroySandbox } from "./destroy.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

/**
 * Destroys a sandbox whose directory somebody removed underneath the daemon, and lets it say so. Its machine may still run, but
 * its disk has no name, its state cannot be written down and its sockets cannot be reached: nobody could go on with it.
 * @throws {CleanupError} something is left
 */
export async function destroyIfFilesAreGone(services: Services, sandbox: Sandbox): Promise<void> {
  if (!filesAreGone(sandbox)) return;
  sandbox.endDetail = "its directory was removed from the state root";
  services.log.warn({ sandbox: sandbox.id }, "directory of a sandbox is gone: ending it");
  await destroySandbox(services, sandbox, "crashed");
}

/** A start makes the directory and an end removes it: what is on its way is not lost. */
function filesAreGone({ files, starting, destroying }: Sandbox): boolean {
  if (starting !== null || destroying !== null) return false;
  try {
    return statSync(files.directory, { throwIfNoEntry: false }) === undefined;
  } catch {
    // A disk that does not answer is no proof.
    return false;
  }
}

/** Before a call reaches a sandbox: what it would find is looked at now, not at the next look around. A deletion goes on as it is. */
export function installLostFilesCheck(app: FastifyInstance, services: Services): void {
  app.addHook("preHandler", async (request) => {
    const { ref } = (request.params ?? {}) as { ref?: string };
    const sandbox = ref === undefined || request.method === "DELETE" ? undefined : services.registry.find(ref);
    if (sandbox !== undefined) await destroyIfFilesAreGone(services, sandbox);
  });
}
