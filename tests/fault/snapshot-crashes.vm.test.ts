import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { faultPoints } from "@mvm/host";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { Api, Loose } from "../support/api.js";
import { restore, shell } from "../support/captures.js";
import { checkHome, machinesGone, type DaemonProcess, startDaemon, stopped } from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let survived = 0;
/** A daemon without faults; it has just put the home in order. */
let daemon: DaemonProcess;
beforeAll(async () => {
  made = makeHome();
  daemon = await startDaemon(made.home);
  await daemon.api.create({ name: "kept", detach: true, ttl_seconds: 3600 });
  await shell(daemon.api, "kept", "echo on disk > ~/disk; echo in memory > /dev/shm/memory");
});
afterEach(async () => {
  expect(await contents("kept")).toBe("in memory\non disk");
});
afterAll(async () => {
  console.log(`crash points of captures survived on real machines: K=${survived}`);
  await daemon.api.json("DELETE", "/v1/sandboxes/kept");
  await machinesGone(made.home);
  await stopped(daemon);
  made.remove();
});

const contents = (ref: string) => shell(daemon.api, ref, "cat /dev/shm/memory ~/disk");
const files = () => (existsSync(join(made.home, "snapshots")) ? readdirSync(join(made.home, "snapshots")).sort() : []);
const points = (prefix: string) => faultPoints.filter((point) => point.startsWith(prefix));

/** Lets a daemon die at the n-th time it comes to the point while it does the work. False when it did not come there. */
async function crashAt(point: string, hit: number, work: (api: Api) => Promise<unknown>): Promise<boolean> {
  await stopped(daemon);
  const doomed = await startDaemon(made.home, { MVM_FAULT: `${point}:${hit}` });
  await Promise.race([work(doomed.api).catch(() => undefined), doomed.ended]);
  const died = (await Promise.race([doomed.ended, sleep(100)])) === "SIGKILL";
  if (!died) await doomed.kill();
  else survived += 1;
  daemon = await startDaemon(made.home);
  return died;
}

/** What is there after a crash: the sandboxes, in order, and snapshots that verify. Nothing else lies about. */
async function order(): Promise<{ sandboxes: Loose[]; snapshots: Loose[] }> {
  const sandboxes = await checkHome(made.home, daemon.api);
  const { snapshots } = (await daemon.api.json("GET", "/v1/snapshots")).body;
  for (const { id } of snapshots) {
    expect((await daemon.api.json("POST", `/v1/snapshots/${id}/verify`, {})).body.ok).toBe(true);
  }
  expect(files().filter((name) => name !== "ledger.json")).toEqual(snapshots.map(({ id }: Loose) => id));
  return { sandboxes, snapshots };
}

/** Saving and removing write the ledger once each. */
const hits = (point: string) => (point.endsWith("-ledger") || point === "fork.after-one" ? [1, 2] : [1]);
const walked = (prefix: string) => points(prefix).flatMap((point) => hits(point).map((hit) => [point, hit] as const));

it.each(walked("snapshot."))(
  "X-06 D-02 a crash at %s, time %i: the snapshot is there and valid or not there at all, the source runs",
  async (point, hit) => {
    const died = await crashAt(point, hit, async (doomed) => {
      await doomed.lines("POST", "/v1/sandboxes/kept/snapshots", { name: "made" });
      await doomed.json("DELETE", "/v1/snapshots/made");
    });
    expect(died).toBe(true);
    const { sandboxes, snapshots } = await order();
    expect(sandboxes.map(({ name, state }) => [name, state])).toEqual([["kept", "running"]]);
    if (snapshots.length === 0) return;
    const { info, lease } = await restore(daemon.api, "made");
    expect(await contents(info.id)).toBe("in memory\non disk");
    lease.abort();
    expect((await daemon.api.json("DELETE", "/v1/snapshots/made")).body.removed).toBe(true);
    await machinesGone(made.home, [sandboxes[0].id]);
  },
);

it.each(walked("fork."))(
  "D-02 a crash at %s, time %i: no half forks, no rubbish, the source runs",
  async (point, hit) => {
    const body = { count: 2, names: ["a", "b"], detach: true, ttl_seconds: 600 };
    const died = await crashAt(point, hit, (doomed) => doomed.lines("POST", "/v1/sandboxes/kept/fork", body));
    expect(died).toBe(true);
    const { sandboxes } = await order();
    for (const { name, state } of sandboxes) {
      expect(state).toBe("running");
      expect(await contents(name)).toBe("in memory\non disk");
      if (name !== "kept") await daemon.api.json("DELETE", `/v1/sandboxes/${name}`);
    }
    expect(sandboxes.map(({ name }) => name)).toContain("kept");
  },
);

it.each(points("cold."))("D-02 a crash at %s: it runs on, or is cold and wakes", async (point) => {
  const died = await crashAt(point, 1, (doomed) => doomed.json("POST", "/v1/sandboxes/kept/cold"));
  expect(died).toBe(true);
  const { sandboxes } = await order();
  const after = point === "cold.after-capture" || point === "cold.before-journal" ? "running" : "cold";
  expect(sandboxes.map(({ name, state }) => [name, state])).toEqual([["kept", after]]);
  expect((await daemon.api.json("POST", "/v1/sandboxes/kept/resume")).body.state).toBe("running");
  expect(readdirSync(join(made.home, "sandboxes", sandboxes[0].id))).not.toContain("cold");
});

it.each(points("wake."))("D-02 a crash at %s: it is cold and wakes, or runs", async (point) => {
  expect((await daemon.api.json("POST", "/v1/sandboxes/kept/cold")).body.state).toBe("cold");
  const died = await crashAt(point, 1, (doomed) => doomed.json("POST", "/v1/sandboxes/kept/resume"));
  expect(died).toBe(true);
  const { sandboxes } = await order();
  const after = point === "wake.before-start" || point === "wake.before-journal" ? "cold" : "running";
  expect(sandboxes.map(({ name, state }) => [name, state])).toEqual([["kept", after]]);
  expect((await daemon.api.json("POST", "/v1/sandboxes/kept/resume")).body.state).toBe("running");
  expect(readdirSync(join(made.home, "sandboxes", sandboxes[0].id))).not.toContain("cold");
});
