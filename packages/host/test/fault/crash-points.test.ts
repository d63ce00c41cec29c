import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { faultPoints } from "../../src/observe/fault.js";
import { findByCookie } from "../../src/processes/find-by-cookie.js";
import { temporaryHome } from "../fixture/daemon.js";
import { serving, spawnDaemon, type DaemonProcess } from "../fixture/daemon-process.js";

/** What captures a machine is walked on real ones: tests/fault/snapshot-crashes.vm.test.ts. */
const pointsOfProcesses = faultPoints.filter((point) => !/^(snapshot|fork|cold|wake)\./.test(point));

/** The life of two sandboxes through every verb; each call may find the daemon dead. */
async function life({ api, ended }: DaemonProcess): Promise<void> {
  const gone = ended.then(() => Promise.reject(new Error("daemon died")));
  gone.catch(() => undefined);
  const attempt = <T>(work: Promise<T>): Promise<T | undefined> => Promise.race([work, gone]).catch(() => undefined);
  const lease = await attempt(api.stream("POST", "/v1/sandboxes", { name: "attached", ttl_seconds: 600 }));
  await attempt(api.lines("POST", "/v1/sandboxes", { name: "kept", detach: true, ttl_seconds: 600 }));
  await attempt(api.json("PUT", "/v1/sandboxes/kept/ttl", { ttl_seconds: 700 }));
  await attempt(api.json("POST", "/v1/sandboxes/kept/resize", { memory_mb: 256 }));
  await attempt(api.lines("POST", "/v1/sandboxes/kept/processes", { argv: ["true"] }));
  await attempt(api.json("POST", "/v1/sandboxes/attached/pause"));
  await attempt(api.json("POST", "/v1/sandboxes/attached/resume"));
  await attempt(api.json("POST", "/v1/sandboxes/attached/stop"));
  await attempt(api.json("POST", "/v1/sandboxes/attached/start"));
  await attempt(api.json("POST", "/v1/sandboxes/attached/detach", { ttl_seconds: 500 }));
  await attempt(api.json("DELETE", "/v1/sandboxes/attached"));
  await attempt(api.lines("POST", "/v1/sandboxes", { name: "doomed", detach: true, ttl_seconds: 600 }));
  await attempt(api.lines("POST", "/v1/sandboxes/doomed/processes", { argv: ["%crash"] }));
  await attempt(api.json("DELETE", "/v1/sandboxes/doomed"));
  lease?.abort();
}

/** After a restart every sandbox is wholly there or wholly gone, and no machine runs without one. */
async function check(home: string, seen: Set<string>): Promise<void> {
  const daemon = await spawnDaemon(home);
  expect(await serving(daemon)).toBeDefined();
  const { body } = await daemon.api.json("GET", "/v1/sandboxes");
  const infos: { id: string; state: string; detached: boolean }[] = body.sandboxes;
  expect(readdirSync(join(home, "sandboxes")).sort()).toEqual(infos.map(({ id }) => id).sort());
  expect(readdirSync(join(home, "quarantine"))).toEqual([]);
  const machines = findByCookie(new Set([...seen, ...infos.map(({ id }) => id)]));
  for (const { id, state, detached } of infos) {
    expect(detached).toBe(true);
    expect(["running", "paused", "failed", "stopped"]).toContain(state);
    expect(machines.get(id)?.length ?? 0).toBe(state === "running" || state === "paused" ? 1 : 0);
    machines.delete(id);
    if (state === "running") {
      const lines = await daemon.api.lines("POST", `/v1/sandboxes/${id}/processes`, { argv: ["echo", "alive"] });
      expect(lines.at(-1)?.["result"].stdout).toBe("alive\n");
    }
    await daemon.api.json("DELETE", `/v1/sandboxes/${id}`);
  }
  expect([...machines.keys()]).toEqual([]);
  expect(readdirSync(join(home, "sandboxes"))).toEqual([]);
  daemon.child.kill("SIGTERM");
  await daemon.ended;
}

test("a daemon killed at any of its fault points leaves nothing half done", { timeout: 600_000 }, async () => {
  let crashes = 0;
  const points = pointsOfProcesses.values();
  // Two at a time: a crash is mostly waiting for a daemon to start.
  const worker = async (): Promise<void> => {
    for (const point of points) {
      for (let hit = 1; hit <= (point === "store.before-rename" ? 8 : 2); hit++) {
        if (!(await crashAt(point, hit))) break;
        crashes++;
      }
    }
  };
  await Promise.all([worker(), worker()]);
  console.log(`crash points survived: K=${crashes}`);
  expect(crashes).toBeGreaterThan(pointsOfProcesses.length);
});

/** Whether the daemon came to that point often enough to die there. */
async function crashAt(point: string, hit: number): Promise<boolean> {
  const home = temporaryHome();
  if (point.startsWith("recover.")) await prepareForRecovery(home);
  const daemon = await spawnDaemon(home, { MVM_FAULT: `${point}:${hit}` });
  const seen = new Set<string>();
  const look = (): void => {
    if (existsSync(join(home, "sandboxes"))) readdirSync(join(home, "sandboxes")).forEach((id) => seen.add(id));
  };
  const watch = setInterval(look, 5);
  if ((await serving(daemon)) !== undefined) await life(daemon);
  clearInterval(watch);
  const died = (await Promise.race([daemon.ended, sleep(50)])) === "SIGKILL";
  daemon.child.kill("SIGKILL");
  await daemon.ended;
  await check(home, seen);
  return died;
}

/** Leaves work for recovery: one machine to adopt, one sandbox to remove. */
async function prepareForRecovery(home: string): Promise<void> {
  const daemon = await spawnDaemon(home);
  await serving(daemon);
  const lease = await daemon.api.stream("POST", "/v1/sandboxes", {});
  await lease.until("created");
  await daemon.api.lines("POST", "/v1/sandboxes", { detach: true, ttl_seconds: 600 });
  daemon.child.kill("SIGKILL");
  await daemon.ended;
  expect(readFileSync(join(home, "daemon.log"), "utf8")).not.toContain("unforeseen");
}
