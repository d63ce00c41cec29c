import { randomInt } from "node:crypto";
import type { PruneRequest, SnapshotInfo } from "@mvm/protocol";
import { describe, expect, it } from "vitest";
import { beyondBounds } from "../../src/snapshots/prune.js";
import { compatibility } from "./fixture.js";

const now = Date.parse("2025-06-01T00:00:00Z");

function info(epoch: number, sandbox: string, ageSeconds: number, bytes: number): SnapshotInfo {
  return {
    ...{ id: `snp_${epoch}`, name: null, epoch, created_at: new Date(now - ageSeconds * 1000).toISOString() },
    ...{ sandbox: { id: sandbox, name: `${sandbox}-name` }, image: { name: "python", digest: "" }, frozen: true },
    ...{ labels: [], bytes, compatibility, parts: [] },
  };
}
const epochs = (infos: readonly SnapshotInfo[]) => infos.map(({ epoch }) => epoch);

describe("beyondBounds", () => {
  const four = [info(1, "a", 400, 10), info(2, "b", 300, 10), info(3, "a", 200, 10), info(4, "a", 100, 10)];

  it.each<[PruneRequest, number[]]>([
    [{}, []],
    [{ keep_last: 1 }, [1, 3]],
    [{ keep_last: 0 }, [1, 2, 3, 4]],
    [{ keep_last: 1, sandbox: "b" }, []],
    [{ keep_last: 1, sandbox: "a-name" }, [1, 3]],
    [{ max_age_seconds: 250 }, [1, 2]],
    [{ quota_bytes: 25 }, [1, 2]],
    [{ quota_bytes: 0 }, [1, 2, 3, 4]],
    // What goes for its rank takes no room from the others.
    [{ keep_last: 1, quota_bytes: 20 }, [1, 3]],
  ])("%j", (request, doomed) => {
    expect(epochs(beyondBounds(four, request, now))).toEqual(doomed);
    expect(epochs(beyondBounds([...four].reverse(), request, now)), "whatever the order").toEqual(doomed);
  });

  it("keeps every bound, removes nothing it need not, and never an older one's elder first", () => {
    const seed = randomInt(2 ** 31);
    console.log(`prune seed ${seed}`);
    let state = seed;
    const next = (below: number): number => (state = (state * 48271) % 2147483647) % below;
    for (let round = 0; round < 2_000; round++) {
      const all = Array.from({ length: next(12) }, (_, at) => info(at + 1, "abc"[next(3)]!, 1000 - at * 10, next(50)));
      const request: PruneRequest = {
        ...(next(2) === 0 && { keep_last: next(5) }),
        ...(next(2) === 0 && { max_age_seconds: 880 + next(130) }),
        ...(next(2) === 0 && { quota_bytes: next(200) }),
      };
      const doomed = beyondBounds(all, request, now);
      const kept = all.filter((one) => !doomed.includes(one));
      const { keep_last: keep = Infinity, max_age_seconds: age = Infinity, quota_bytes: quota = Infinity } = request;
      const rank = (one: SnapshotInfo) =>
        all.filter(({ sandbox, epoch }) => sandbox.id === one.sandbox.id && epoch >= one.epoch).length;
      const old = (one: SnapshotInfo) => (now - Date.parse(one.created_at)) / 1000 > age;
      const sum = (infos: readonly SnapshotInfo[]) => infos.reduce((total, { bytes }) => total + bytes, 0);
      const what = JSON.stringify({ seed, round, request });
      expect(
        kept.every((one) => rank(one) <= keep && !old(one)),
        what,
      ).toBe(true);
      expect(sum(kept), what).toBeLessThanOrEqual(quota);
      expect(epochs(doomed), what).toEqual(epochs(doomed).sort((a, b) => a - b));
      // The newest that went for want of room would not have fitted.
      const crowded = doomed.filter((one) => rank(one) <= keep && !old(one)).at(-1);
      if (crowded !== undefined) {
        const newer = kept.filter(({ epoch }) => epoch > crowded.epoch);
        expect(sum(newer) + crowded.bytes, what).toBeGreaterThan(quota);
      }
    }
  });
});
