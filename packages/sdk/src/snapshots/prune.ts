import type { PruneRequest, SnapshotInfo } from "@mvm/protocol";
import type { DaemonClient } from "../client/index.js";
import { defined } from "../wire/options.js";

/** Bounds beyond which snapshots are removed, oldest first. At least one has to be given. */
export interface PruneOptions {
  /** Only snapshots of this sandbox, by id or name. @default of all */
  readonly sandbox?: string | undefined;
  /** Newest ones kept of each sandbox. */
  readonly keepLast?: number | undefined;
  readonly maxAgeSeconds?: number | undefined;
  /** Host storage all of them may take. */
  readonly quotaBytes?: number | undefined;
  /** Only say what would be removed. @default false */
  readonly dryRun?: boolean | undefined;
}

/** Removes what is beyond the bounds. Returns what was removed. */
export async function pruneSnapshots(client: DaemonClient, options: PruneOptions): Promise<SnapshotInfo[]> {
  const json: PruneRequest = defined({
    sandbox: options.sandbox,
    keep_last: options.keepLast,
    max_age_seconds: options.maxAgeSeconds,
    quota_bytes: options.quotaBytes,
    dry_run: options.dryRun,
  });
  const call = { method: "POST", path: "/snapshots/prune", operation: "snapshots.prune", json } as const;
  const { snapshots } = await client.json<{ snapshots: SnapshotInfo[] }>(call);
  return snapshots;
}
