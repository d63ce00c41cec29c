import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Value } from "@sinclair/typebox/value";
import { BootReportSchema, CreateEventSchema, RunEventSchema, SandboxInfoSchema } from "@mvm/protocol/schemas";
import { expect, test } from "vitest";
import { isAlive } from "../../src/processes/identity.js";
import { testDaemon } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";

const directories = (home: string): string[] => readdirSync(join(home, "sandboxes"));

test("a created sandbox is listed, runs commands, and its events fit their schemas", async () => {
  const { api } = await testDaemon();
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "box", tags: { team: "a" } });
  const created = await lease.until("created");
  expect(Value.Check(CreateEventSchema, created)).toBe(true);
  expect(created["sandbox"]).toMatchObject({ name: "box", state: "running", isolation: "emulated", detached: false });
  const { body } = await api.json("GET", "/v1/sandboxes?tag=team=a&state=running");
  expect(body.sandboxes).toHaveLength(1);
  expect(Value.Check(SandboxInfoSchema, body.sandboxes[0])).toBe(true);
  expect((await api.json("GET", "/v1/sandboxes?tag=team=b")).body.sandboxes).toHaveLength(0);
  const report = (await api.json("GET", "/v1/sandboxes/box/boot-report")).body;
  expect(Value.Check(BootReportSchema, report)).toBe(true);
});

test("of fifty creates of one name exactly one succeeds", async () => {
  const { api, home } = await testDaemon();
  const streams = await Promise.all(
    Array.from({ length: 50 }, () => api.stream("POST", "/v1/sandboxes", { name: "one" })),
  );
  const statuses = streams.map(({ response }) => response.statusCode);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => status === 409)).toHaveLength(49);
  expect(directories(home)).toHaveLength(1);
});

test("a start that fails leaves nothing: no directory, no name, no process", async () => {
  let fail = true;
  const backend = processBackend({
    beforeSpawn: () => (fail ? Promise.reject(new Error("no such luck")) : Promise.resolve()),
  });
  const { api, home } = await testDaemon({ backend });
  const failed = await api.json("POST", "/v1/sandboxes", { name: "a" });
  expect(failed.status).toBe(500);
  expect(failed.body.error.code).toBe("INTERNAL");
  expect(directories(home)).toEqual([]);
  fail = false;
  await (await api.stream("POST", "/v1/sandboxes", { name: "a" })).until("created");
});

test("a destroy during the start cancels it, and both callers learn", async () => {
  const backend = processBackend({
    beforeSpawn: (_spec, { signal }) =>
      new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error))),
  });
  const { api, home } = await testDaemon({ backend });
  const creating = api.json("POST", "/v1/sandboxes", { name: "slow" });
  while ((await api.json("GET", "/v1/sandboxes/slow")).status !== 200) await sleep(5);
  expect((await api.json("POST", "/v1/sandboxes/slow/processes", { argv: ["true"] })).body.error).toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    state: "creating",
  });
  expect((await api.json("DELETE", "/v1/sandboxes/slow")).body.destroyed).toBe(true);
  expect((await creating).body.error).toMatchObject({ code: "SANDBOX_UNAVAILABLE", reason: "destroyed" });
  expect(directories(home)).toEqual([]);
});

test("a client that goes during the start takes the start with it", async () => {
  const backend = processBackend();
  const { api, home } = await testDaemon({ backend });
  const call = api.stream("POST", "/v1/sandboxes", {}).catch(() => undefined);
  while (backend.started.length === 0) await sleep(1);
  api.close();
  await call;
  await sleep(500);
  expect(directories(home)).toEqual([]);
  expect(backend.started.some(isAlive)).toBe(false);
});

test("a run answers with all of its events and leaves nothing behind", async () => {
  const backend = processBackend();
  const { api, home, daemon } = await testDaemon({ backend });
  const request = {
    sandbox: { profile: "restrictive" },
    command: { argv: ["sh", "-c", "echo out; echo err >&2; exit 7"], stream: true },
  };
  const lines = await api.lines("POST", "/v1/runs", request);
  for (const line of lines) expect(Value.Check(RunEventSchema, line), JSON.stringify(line)).toBe(true);
  expect(lines.map(({ event }) => event)).toEqual(["created", "started", "stdout", "stderr", "end"]);
  expect(lines.at(-1)?.["result"]).toMatchObject({
    exit_code: 7,
    stdout: "out\n",
    stderr: "err\n",
    timings: { start: "template" },
  });
  await daemon.services.tasks.settled();
  expect(directories(home)).toEqual([]);
  expect(backend.started.some(isAlive)).toBe(false);
});

test("stdin of a run is given by its run id", async () => {
  const { api } = await testDaemon();
  const run = await api.stream("POST", "/v1/runs", { sandbox: {}, command: { argv: ["cat"], stdin: "pipe" } });
  const { run_id } = await run.until("started");
  expect((await api.json("POST", `/v1/runs/${run_id}/stdin`, Buffer.from("abc"))).body).toEqual({ written_bytes: 3 });
  await api.json("POST", `/v1/runs/${run_id}/stdin?eof=true`, Buffer.from("def"));
  expect((await run.until("end"))["result"]).toMatchObject({ stdout: "abcdef", exit_code: 0 });
  expect((await api.json("POST", `/v1/runs/${run_id}/stdin`, Buffer.from("x"))).status).toBe(404);
});

test("a client that goes during a run ends it", async () => {
  const backend = processBackend();
  const { api, home } = await testDaemon({ backend });
  const run = await api.stream("POST", "/v1/runs", { sandbox: {}, command: { argv: ["sleep", "100"] } });
  await run.until("started");
  run.abort();
  const began = performance.now();
  while (directories(home).length > 0 || backend.started.some(isAlive)) {
    expect(performance.now() - began).toBeLessThan(1_000);
    await sleep(5);
  }
});

test("an Idempotency-Key makes one sandbox, however often and how fast it is sent", async () => {
  const { api, home } = await testDaemon();
  const headers = { "idempotency-key": "k1" };
  const body = { tags: { a: "1" }, memory_mb: 256 };
  const streams = await Promise.all([1, 2, 3].map(() => api.stream("POST", "/v1/sandboxes", body, headers)));
  const ids = await Promise.all(streams.map(async (stream) => (await stream.until("created"))["sandbox"].id));
  expect(new Set(ids).size).toBe(1);
  const other = await api.json("POST", "/v1/sandboxes", { memory_mb: 512 }, headers);
  expect(other).toMatchObject({ status: 409, body: { error: { code: "IDEMPOTENCY_CONFLICT" } } });
  streams[0]?.abort();
  await sleep(100);
  expect(directories(home)).toHaveLength(1);
  streams.forEach((stream) => stream.abort());
  while (directories(home).length > 0) await sleep(5);
  const late = await api.json("POST", "/v1/sandboxes", body, headers);
  expect(late.body.error).toMatchObject({ code: "SANDBOX_UNAVAILABLE", reason: "client_gone" });
});

test("a create that failed is tried again under its key", async () => {
  let fail = true;
  const backend = processBackend({ beforeSpawn: () => (fail ? Promise.reject(new Error("x")) : Promise.resolve()) });
  const { api } = await testDaemon({ backend });
  const headers = { "idempotency-key": "k2" };
  expect((await api.json("POST", "/v1/sandboxes", {}, headers)).status).toBe(500);
  fail = false;
  await (await api.stream("POST", "/v1/sandboxes", {}, headers)).until("created");
});

test("the environment of a sandbox reaches no file while it runs attached", async () => {
  const { api, home } = await testDaemon();
  const lease = await api.stream("POST", "/v1/sandboxes", { env: { CANARY: "geheim-4711" } });
  const { sandbox } = await lease.until("created");
  const directory = join(home, "sandboxes", sandbox.id);
  expect(existsSync(join(directory, "env.json"))).toBe(false);
});
