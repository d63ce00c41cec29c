import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { DaemonClient } from "@mvm/sdk/client";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import {
  checkHome,
  eventually,
  isLive,
  machineProcesses,
  machinesGone,
  spawnDaemon,
  startDaemon,
  stopped,
} from "../support/daemon.js";
import { daemonPid, makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
beforeAll(() => {
  made = makeHome();
});
afterAll(() => made.remove());

it("Q-01 Q-04 kill -9 of a daemon with six attached machines: none is left, and nothing else is touched", async () => {
  const daemon = await startDaemon(made.home);
  const mine = spawn("sleep", ["1000"], { stdio: "ignore", argv0: "qemu-system-x86_64" });
  onTestFinished(() => void mine.kill("SIGKILL"));
  await Promise.all(Array.from({ length: 6 }, () => daemon.api.create()));
  expect(new Set(machineProcesses(made.home).map(({ owner }) => owner)).size).toBe(6);
  await daemon.kill();
  console.log(`6 machines gone ${Math.round(await machinesGone(made.home))} ms after kill -9 (goal: 1000 ms)`);
  expect(isLive(mine.pid!)).toBe(true);
  const next = await startDaemon(made.home);
  expect(await checkHome(made.home, next.api)).toEqual([]);
  await stopped(next);
});

it("D-10 SIGTERM drains: attached machines end, detached ones stay, the exit code is 0", async () => {
  const daemon = await startDaemon(made.home);
  const attached = await daemon.api.create();
  const { info } = await daemon.api.create({ detach: true, ttl_seconds: 600 });
  expect(await stopped(daemon)).toBe(0);
  await machinesGone(made.home, [info.id]);
  expect(machineProcesses(made.home).length).toBeGreaterThan(0);
  let last: unknown;
  for (let line = await attached.lease.next(); line !== undefined; line = await attached.lease.next()) last = line;
  expect(last).toMatchObject({ event: "ended", state: "destroyed", reason: "daemon_lost" });
  const next = await startDaemon(made.home);
  expect(await checkHome(made.home, next.api)).toMatchObject([{ id: info.id, state: "running" }]);
  await next.api.json("DELETE", `/v1/sandboxes/${info.id}`);
  await stopped(next);
});

it("D-10 a second SIGTERM ends it at once, and still no attached machine is left", async () => {
  const daemon = await startDaemon(made.home);
  await Promise.all([daemon.api.create(), daemon.api.create()]);
  daemon.child.kill("SIGTERM");
  daemon.child.kill("SIGTERM");
  expect([0, 1]).toContain(await daemon.ended);
  await machinesGone(made.home);
  const next = await startDaemon(made.home);
  expect(await checkHome(made.home, next.api)).toEqual([]);
  await stopped(next);
});

it("D-10 SIGTERM while sandboxes are being created", async () => {
  const daemon = await startDaemon(made.home);
  const creates = Array.from({ length: 4 }, (_, at) =>
    daemon.api.lines("POST", "/v1/sandboxes", at % 2 === 0 ? {} : { detach: true, ttl_seconds: 60 }).catch(() => []),
  );
  await eventually("a machine starts", () => machineProcesses(made.home).length > 0);
  expect(await stopped(daemon)).toBe(0);
  await Promise.all(creates);
  const next = await startDaemon(made.home);
  for (const { id, detached } of await checkHome(made.home, next.api)) {
    expect(detached).toBe(true);
    await next.api.json("DELETE", `/v1/sandboxes/${id}`);
  }
  await stopped(next);
});

it("D-10 SIGHUP and SIGPIPE change nothing", async () => {
  const daemon = await startDaemon(made.home);
  const { info } = await daemon.api.create();
  daemon.child.kill("SIGHUP");
  daemon.child.kill("SIGPIPE");
  await sleep(200);
  expect((await daemon.api.exec(info.id, ["echo", "alive"])).stdout).toBe("alive\n");
  await stopped(daemon);
});

it("D-04 a hundred clients at once start one daemon; a hundred daemons at once are one", async () => {
  const clients = Array.from({ length: 100 }, () => new DaemonClient({ home: made.home }));
  const versions = await Promise.all(clients.map((client) => client.start()));
  expect(new Set(versions.map(({ pid }) => pid)).size).toBe(1);
  const pid = versions[0]!.pid;
  expect(daemonPid(made.home)).toBe(pid);
  const others = Array.from({ length: 20 }, () => spawnDaemon(made.home));
  expect(new Set(await Promise.all(others.map(({ ended }) => ended)))).toEqual(new Set([75]));
  expect((await others[0]!.api.json("GET", "/v1/version")).body.pid).toBe(pid);

  // The lock dies with its holder: no stale one, whoever has the pid next.
  process.kill(pid, "SIGKILL");
  const next = await Promise.all(clients.slice(0, 20).map((client) => client.start()));
  expect(new Set(next.map((version) => version.pid)).size).toBe(1);
  expect(next[0]!.pid).not.toBe(pid);
  process.kill(next[0]!.pid, "SIGTERM");
  await eventually("the daemon ends", () => !isLive(next[0]!.pid));
});

it(
  "M-07 Q-09 a time to live is kept through two restarts, and while no daemon runs",
  { timeout: 240_000 },
  async () => {
    let daemon = await startDaemon(made.home);
    const { info } = await daemon.api.create({ detach: true, ttl_seconds: 600 });
    const late = (await daemon.api.create({ detach: true, ttl_seconds: 600 })).info;
    const ttl = 12;
    const set = (await daemon.api.json("PUT", `/v1/sandboxes/${info.id}/ttl`, { ttl_seconds: ttl })).body.expires_at;
    await daemon.api.json("PUT", `/v1/sandboxes/${late.id}/ttl`, { ttl_seconds: ttl });
    const end = performance.now() + ttl * 1000;
    for (let times = 0; times < 2; times++) {
      await daemon.kill();
      daemon = await startDaemon(made.home);
      const now = (await daemon.api.sandboxes()).find(({ id }) => id === info.id);
      if (performance.now() < end - 500) expect(now.expires_at).toBe(set);
    }
    await eventually("they are gone", () => machineProcesses(made.home).length === 0, 60_000);
    const over = performance.now() - end;
    console.log(`gone ${Math.round(over)} ms after its time (goal: 1000 ms)`);
    expect(over).toBeGreaterThan(-500);
    await eventually("they are forgotten", async () => (await daemon.api.sandboxes()).length === 0);
    await checkHome(made.home, daemon.api);

    await daemon.api.create({ detach: true, ttl_seconds: 1, name: "brief" });
    await daemon.kill();
    await sleep(1_500);
    daemon = await startDaemon(made.home);
    expect(await checkHome(made.home, daemon.api)).toEqual([]);
    await machinesGone(made.home);
    await stopped(daemon);
  },
);
