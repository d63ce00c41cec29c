import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { isAlive, killIfSame } from "../../src/processes/identity.js";
import { testDaemon, type TestDaemon } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";
import type { Stream } from "../fixture/api-client.js";

async function box(
  body: object = {},
): Promise<TestDaemon & { id: string; lease: Stream; backend: ReturnType<typeof processBackend> }> {
  const backend = processBackend();
  const made = await testDaemon({ backend });
  const lease = await made.api.stream("POST", "/v1/sandboxes", body);
  const { sandbox } = await lease.until("created");
  return { ...made, backend, lease, id: sandbox.id };
}

test("the end of its connection destroys an attached sandbox within a second", async () => {
  const { api, lease, id, home, backend } = await box();
  lease.abort();
  const began = performance.now();
  while (backend.started.some(isAlive)) await sleep(5);
  expect(performance.now() - began).toBeLessThan(1_000);
  while (existsSync(join(home, "sandboxes", id))) await sleep(5);
  const { body } = await api.json("GET", `/v1/sandboxes/${id}`);
  expect(body).toMatchObject({ state: "destroyed", reason: "client_gone" });
  expect((await api.json("POST", `/v1/sandboxes/${id}/processes`, { argv: ["true"] })).body.error).toMatchObject({
    ...{ code: "SANDBOX_UNAVAILABLE", state: "destroyed", reason: "client_gone" },
  });
});

test("fifty destroys share one clean-up; a later one says that there was nothing to do", async () => {
  const { api, id, lease } = await box();
  const answers = await Promise.all(Array.from({ length: 50 }, () => api.json("DELETE", `/v1/sandboxes/${id}`)));
  expect(answers.every(({ status, body }) => status === 200 && body.guarantee.includes("not overwritten"))).toBe(true);
  expect(await lease.until("ended")).toMatchObject({ state: "destroyed", reason: "destroyed" });
  expect(await lease.next()).toBeUndefined();
  expect((await api.json("DELETE", `/v1/sandboxes/${id}`)).body.destroyed).toBe(false);
  expect((await api.json("DELETE", "/v1/sandboxes/unknown")).status).toBe(404);
});

test("a machine that dies fails its sandbox: calls learn that the outcome is unknown, its disk is gone, its logs stay", async () => {
  const { api, id, lease, backend, home } = await box();
  const command = api.stream("POST", `/v1/sandboxes/${id}/processes`, { argv: ["sleep", "100"] });
  const stream = await command;
  await stream.until("started");
  killIfSame(backend.started[0]!);
  const failure = await stream.until("end").catch((error: Error) => JSON.parse(error.message));
  expect(failure).toMatchObject({ code: "OUTCOME_UNKNOWN", outcome: "unknown" });
  expect(await lease.until("ended")).toMatchObject({ state: "failed", reason: "crashed" });
  const left = readdirSync(join(home, "sandboxes", id)).sort();
  expect(left.filter((name) => !["console.log", "state.json", "supervisor.log"].includes(name))).toEqual([]);
  const logs = await api.lines("GET", `/v1/sandboxes/${id}/logs`);
  expect(logs.map(({ line }) => line)).toContain("machine is up");
  lease.abort();
  while (existsSync(join(home, "sandboxes", id))) await sleep(5);
  expect((await api.json("GET", `/v1/sandboxes/${id}`)).body).toMatchObject({ state: "destroyed", reason: "crashed" });
});

test("a machine that ends by itself in the middle of a command does the same", async () => {
  const { api, id, lease } = await box();
  const { body } = await api.json("POST", `/v1/sandboxes/${id}/processes`, { argv: ["%crash"] });
  expect(body.error).toMatchObject({ code: "OUTCOME_UNKNOWN", outcome: "unknown" });
  expect(await lease.until("ended")).toMatchObject({ state: "failed", reason: "crashed" });
});

test("stop keeps the disk, is shared, and can be undone; destroy takes all of it", async () => {
  const { api, id, home, backend } = await box({ env: { A: "1" } });
  const stops = await Promise.all([1, 2, 3].map(() => api.json("POST", `/v1/sandboxes/${id}/stop`)));
  for (const { body } of stops) expect(body).toMatchObject({ state: "stopped", reason: "stopped" });
  expect(backend.started.some(isAlive)).toBe(false);
  expect((await api.json("POST", `/v1/sandboxes/${id}/processes`, { argv: ["true"] })).body.error).toMatchObject({
    ...{ code: "SANDBOX_UNAVAILABLE", state: "stopped" },
  });
  expect((await api.json("POST", `/v1/sandboxes/${id}/start`)).body).toMatchObject({ state: "running", reason: null });
  const lines = await api.lines("POST", `/v1/sandboxes/${id}/processes`, { argv: ["true"] });
  expect(lines.at(-1)?.["result"].exit_code).toBe(0);
  await api.json("POST", `/v1/sandboxes/${id}/stop`);
  await api.json("DELETE", `/v1/sandboxes/${id}`);
  expect(readdirSync(join(home, "sandboxes"))).toEqual([]);
});

test("a sandbox ends at its time to live, and says so a minute before; only setTtl changes it", async () => {
  const { api, id, lease } = await box({ ttl_seconds: 61 });
  const before = (await api.json("GET", `/v1/sandboxes/${id}`)).body.expires_at;
  await api.lines("POST", `/v1/sandboxes/${id}/processes`, { argv: ["true"] });
  expect((await api.json("GET", `/v1/sandboxes/${id}`)).body.expires_at).toBe(before);
  expect((await lease.until("expiring"))["expires_at"]).toBe(before);
  const longer = await api.json("PUT", `/v1/sandboxes/${id}/ttl`, { ttl_seconds: 100_000 });
  expect(Date.parse(longer.body.expires_at) - Date.now()).toBeGreaterThan(99_000_000);
  expect((await api.json("PUT", `/v1/sandboxes/${id}/ttl`, { ttl_seconds: null })).body.expires_at).toBeNull();
  await api.json("PUT", `/v1/sandboxes/${id}/ttl`, { ttl_seconds: 1 });
  const began = performance.now();
  expect(await lease.until("ended")).toMatchObject({ state: "destroyed", reason: "ttl" });
  expect(performance.now() - began).toBeLessThan(2_000);
});

test.each([0, -1, 1.5e300, "5", 31 * 24 * 3600])("refuses %j as a time to live", async (ttl_seconds) => {
  const { api, id } = await box();
  const { status } = await api.json("PUT", `/v1/sandboxes/${id}/ttl`, { ttl_seconds });
  expect(status).toBe(400);
});

test("a sandbox nobody uses ends as idle; commands and calls keep it, what runs in the background does not", async () => {
  const { api } = await testDaemon();
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "used", idle_seconds: 1 });
  await lease.until("created");
  expect((await api.json("GET", "/v1/sandboxes/used")).body.idle_seconds).toBe(1);
  const began = performance.now();
  // A command in the foreground that takes longer than the idle time.
  const command = await api.lines("POST", "/v1/sandboxes/used/processes", { argv: ["sleep", "1.6"] });
  expect(command.at(-1)?.["result"].exit_code).toBe(0);
  await api.lines("POST", "/v1/sandboxes/used/processes", { argv: ["sleep", "600"], background: true });
  const ended = await lease.until("ended");
  expect(ended).toMatchObject({ state: "destroyed", reason: "idle" });
  expect(performance.now() - began).toBeGreaterThan(2_500);
});
