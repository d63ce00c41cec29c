import { existsSync, readdirSync } from "node:fs";
import { createError } from "@mvm/protocol/errors";
import { homePaths } from "@mvm/sdk/client";

/** What clients and the set-up leave in a state root in which no daemon has ever been, nor anything else been kept. */
const beforeAnyDaemon = new Set(["logs", "run", "setup.lock"]);

/** Whether a state root holds nothing that a daemon could tell of: it does not exist, or no daemon has served it yet. */
export function isUntouched(home: string): boolean {
  try {
    return readdirSync(home).every((name) => beforeAnyDaemon.has(name)) && !existsSync(homePaths(home).socket);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** The sandbox that a call of the API is about, or undefined. */
function sandboxOf(path: string): string | undefined {
  const ref = /^\/sandboxes\/([^/?]+)/.exec(path)?.[1];
  return ref === undefined ? undefined : decodeURIComponent(ref);
}

/** Refuses a call about a sandbox of an untouched state root as the daemon would, which need not start to know. */
export function refuseInUntouched(home: string, path: string, operation: string): void {
  const ref = sandboxOf(path);
  if (ref === undefined || !isUntouched(home)) return;
  throw createError("SANDBOX_NOT_FOUND", {
    message: `Cannot find sandbox ${JSON.stringify(ref)}: there is none of that name or id`,
    operation,
  });
}
