import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  eventually,
  machineProcesses,
  machinesGone,
  startDaemon,
  stopped,
  type DaemonProcess,
} from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
beforeAll(() => {
  made = makeHome();
});
afterAll(() => made.remove());

const owners = () => [...new Set(machineProcesses(made.home).map(({ owner }) => owner))];
const detached = (daemon: DaemonProcess, ttl_seconds: number) => daemon.api.create({ detach: true, ttl_seconds });

it.each([
  ["killed", (daemon: DaemonProcess) => daemon.kill()],
  ["stopped", (daemon: DaemonProcess) => stopped(daemon)],
])("a detached sandbox whose daemon was %s ends on time without one; the next daemon removes it", async (_how, end) => {
  const daemon = await startDaemon(made.home);
  const brief = (await detached(daemon, 5)).info.id;
  const long = (await detached(daemon, 600)).info.id;
  await end(daemon);
  expect(owners()).toContain(long);
  await machinesGone(made.home, [long]);
  const next = await startDaemon(made.home);
  expect((await next.api.sandboxes()).map(({ id }) => id)).toEqual([long]);
  expect(readdirSync(join(made.home, "sandboxes"))).not.toContain(brief);
  expect((await next.api.exec(long, ["echo", "alive"])).stdout).toBe("alive\n");
  await next.api.json("DELETE", `/v1/sandboxes/${long}`);
  await stopped(next);
});

it("a time to live that the next daemon was told holds, when that daemon is killed as well", async () => {
  const first = await startDaemon(made.home);
  const began = performance.now();
  const { id } = (await detached(first, 8)).info;
  await first.kill();
  const second = await startDaemon(made.home);
  expect((await second.api.json("PUT", `/v1/sandboxes/${id}/ttl`, { ttl_seconds: 600 })).status).toBe(200);
  await second.kill();
  await sleep(Math.max(0, 10_000 - (performance.now() - began)));
  expect(owners()).toEqual([id]);
  const third = await startDaemon(made.home);
  await eventually("it works", async () => (await third.api.exec(id, ["echo", "alive"])).stdout === "alive\n");
  await third.api.json("DELETE", `/v1/sandboxes/${id}`);
  await stopped(third);
});
