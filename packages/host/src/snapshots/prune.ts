import { InvalidArgumentError, type PruneRequest, type SnapshotInfo } from "@mvm/protocol";
import type { Services } from "../sandboxes/services.js";

/**
 * Pure: which snapshots go beyond the bounds, oldest first. A bound that is absent does not count; `keep_last` is per sandbox,
 * the quota over all that are looked at.
 */
export function beyondBounds(snapshots: readonly SnapshotInfo[], request: PruneRequest, now: number): SnapshotInfo[] {
  const { sandbox, keep_last: keep, max_age_seconds: age, quota_bytes: quota } = request;
  const newestFirst = snapshots
    .filter((info) => sandbox === undefined || info.sandbox.id === sandbox || info.sandbox.name === sandbox)
    .sort((a, b) => b.epoch - a.epoch);
  const perSandbox = new Map<string, number>();
  let bytes = 0;
  let full = false;
  const doomed = newestFirst.filter((info) => {
    const rank = (perSandbox.get(info.sandbox.id) ?? 0) + 1;
    perSandbox.set(info.sandbox.id, rank);
    if (keep !== undefined && rank > keep) return true;
    if (age !== undefined && now - Date.parse(info.created_at) > age * 1000) return true;
    // What goes for another reason takes no room; once there is none, no older one is kept in place of a newer.
    full ||= quota !== undefined && bytes + info.bytes > quota;
    if (!full) bytes += info.bytes;
    return full;
  });
  return doomed.reverse();
}

/**
 * Removes what is beyond the bounds, or only says so. What is being restored stays, and is not in the answer.
 * @throws {InvalidArgumentError} no bound is given: nothing is removed without one
 */
export async function pruneSnapshots({ snapshots }: Services, request: PruneRequest): Promise<SnapshotInfo[]> {
  const { keep_last: keep, max_age_seconds: age, quota_bytes: quota } = request;
  if (keep === undefined && age === undefined && quota === undefined) {
    throw new InvalidArgumentError({
      message: "Cannot prune snapshots: no bound is given",
      hint: "Say how many to keep, how old they may be, or how much storage they may take",
    });
  }
  const doomed = beyondBounds(snapshots.list(), request, Date.now());
  if (request.dry_run === true) return doomed;
  const removed: SnapshotInfo[] = [];
  for (const info of doomed) if (!snapshots.holds.has(info.id) && (await snapshots.remove(info.id))) removed.push(info);
  return removed;
}
