import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { temporaryHome, testDaemon } from "../fixture/daemon.js";

test("the socket is ours alone, and there is no other way in", async () => {
  const { home } = await testDaemon();
  expect(statSync(join(home, "run/mvmd.sock")).mode & 0o777).toBe(0o600);
  expect(statSync(join(home, "run")).mode & 0o777).toBe(0o700);
  const lines = ["tcp", "tcp6"].flatMap((name) => readFileSync(`/proc/self/net/${name}`, "utf8").split("\n").slice(1));
  const listening = lines.map((line) => line.trim().split(/\s+/)).filter((fields) => fields[3] === "0A");
  const ours = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  for (const fields of listening) expect(ours).not.toContain(`socket:[${fields[9]}]`);
  expect(readFileSync("/proc/self/net/unix", "utf8")).not.toMatch(/@.*mvmd/);
});

test.each(["socket", "run directory"])("a removed %s is put back while sandboxes run on", async (what) => {
  const { home, api } = await testDaemon();
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "a" });
  await lease.until("created");
  rmSync(join(home, what === "socket" ? "run/mvmd.sock" : "run"), { recursive: true });
  let answer;
  for (let tries = 0; answer === undefined && tries < 100; tries++) {
    await sleep(50);
    answer = await api.json("GET", "/v1/sandboxes/a").catch(() => undefined);
  }
  expect(answer?.body.state).toBe("running");
  expect(statSync(join(home, "run/mvmd.sock")).mode & 0o777).toBe(0o600);
});

test("a daemon without sandboxes wants to end after a while, one with a sandbox does not", async () => {
  const { api, stops } = await testDaemon({ home: temporaryHome(), options: { idleMs: 300 } });
  const lease = await api.stream("POST", "/v1/sandboxes", {});
  await lease.until("created");
  await sleep(500);
  expect(stops).toEqual([]);
  lease.abort();
  for (let n = 0; n < 40 && stops.length === 0; n++) await sleep(50);
  expect(stops).toEqual(["idle"]);
});

test("refuses to stop while sandboxes run, unless forced", async () => {
  const { api, stops } = await testDaemon();
  const lease = await api.stream("POST", "/v1/sandboxes", {});
  await lease.until("created");
  expect((await api.json("POST", "/v1/daemon/stop")).body.error.code).toBe("DAEMON_BUSY");
  expect((await api.json("POST", "/v1/daemon/stop", { force: true })).body).toEqual({ stopping: true });
  await sleep(20);
  expect(stops).toEqual(["asked"]);
});
