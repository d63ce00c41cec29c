import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GcResult } from "@mvm/protocol";
import { expect, onTestFinished, test, vi } from "vitest";
import { testDaemon } from "../fixture/daemon.js";

test("gc removes a file of an image that has waited an hour for its record, and neither a recorded nor a new one", async () => {
  const { api, home } = await testDaemon();
  const images = join(home, "images");
  mkdirSync(images, { recursive: true });
  const [recorded, left] = ["a", "b"].map((digit) => join(images, `${digit.repeat(64)}.erofs`)) as [string, string];
  for (const path of [recorded, recorded.replace(".erofs", ".json"), left]) writeFileSync(path, "x".repeat(5000));
  const collect = async (dryRun: boolean) => {
    const { status, body } = await api.json("POST", "/v1/gc", { dry_run: dryRun });
    expect(status).toBe(200);
    const removed = body.removed as GcResult["removed"];
    return removed.filter(({ kind }) => kind === "image").map(({ path }) => path);
  };
  expect(await collect(false)).toEqual([]);

  // When a name came to a file cannot be set, so it is the daemon's clock that goes on.
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2 * 3600 * 1000 });
  onTestFinished(() => void vi.useRealTimers());
  expect(await collect(true)).toEqual([left]);
  expect(existsSync(left)).toBe(true);
  expect(await collect(false)).toEqual([left]);
  expect([existsSync(left), existsSync(recorded)]).toEqual([false, true]);
  expect(await collect(false)).toEqual([]);
});
