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

/** What a call of the API can be about: what its paths look like, and what is said of one that is not there. */
const kinds = [
  {
    path: /^\/sandboxes\/([^/?]+)/,
    code: "SANDBOX_NOT_FOUND",
    missing: (ref: string) => `Cannot find sandbox ${JSON.stringify(ref)}: there is none of that name or id`,
  },
  {
    path: /^\/snapshots\/(?!(?:import|prune)$)([^/?]+)/,
    code: "SNAPSHOT_NOT_FOUND",
    missing: (ref: string) => `Cannot find snapshot ${JSON.stringify(ref)}: there is none of that name or id`,
  },
  {
    path: /^\/(?:images|templates)\/(?!(?:import|pull)$)([^/?]+)/,
    code: "ASSET_NOT_FOUND",
    missing: (ref: string) => `Cannot find image "${ref}": this store has none`,
  },
] as const;

/** Refuses a call about what an untouched state root does not have as the daemon would, which need not start to know. */
export function refuseInUntouched(home: string, path: string, operation: string): void {
  for (const { path: form, code, missing } of kinds) {
    const ref = form.exec(path)?.[1];
    if (ref === undefined || !isUntouched(home)) continue;
    throw createError(code, { message: missing(decodeURIComponent(ref)), operation });
  }
}
