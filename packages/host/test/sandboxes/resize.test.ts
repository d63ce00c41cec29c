import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { testDaemon, temporaryHome, type TestDaemon } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";
import { RecordedHome } from "../evidence/scene.js";
import { seed } from "../../../protocol/test/support/seed.js";

const mib = 1024 * 1024;
/** A machine of the fixture holds 150 MiB: nine tenths of this. MiB. */
const leastMb = 167;
const ceilingMb = 512;

async function box(home = temporaryHome()) {
  const made = await testDaemon({ home, backend: processBackend() });
  await made.api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  return { ...made, ...callsOf(made), home };
}

function callsOf({ api }: Pick<TestDaemon, "api">) {
  return {
    resize: async (memory_mb: number) => (await api.json("POST", "/v1/sandboxes/box/resize", { memory_mb })).body,
    memory: async () => (await api.json("GET", "/v1/sandboxes/box")).body.memory,
  };
}

test(`any sequence of sizes is answered by what the guest can follow, and the last that worked is in force (seed ${seed})`, async () => {
  const { resize, memory, api, home, daemon } = await box();
  const { id } = daemon.services.registry.get("box", "test");
  const size = fc.oneof(
    fc.integer({ min: 128, max: ceilingMb }),
    fc.integer({ min: leastMb - 1, max: leastMb + 1 }),
    fc.integer({ min: ceilingMb, max: ceilingMb + 2 }),
  );
  let limit = ceilingMb;
  await fc.assert(
    fc.asyncProperty(size, async (memory_mb) => {
      const body = await resize(memory_mb);
      if (memory_mb > ceilingMb) {
        expect(body.error).toMatchObject({ code: "VM_CONFIG", outcome: "not_started", context: { ceiling_mb: 512 } });
      } else if (memory_mb < leastMb) {
        expect(body.error).toMatchObject({
          name: "BalloonTransientError",
          code: "BALLOON_FAILED",
          boundary: "backend",
        });
        expect(body.error).toMatchObject({ outcome: "not_started", operation: "sandboxes.resize", sandbox_id: id });
        const context = { asked_mb: memory_mb, limit_mb: limit, used_bytes: limit * mib, held_bytes: 150 * mib };
        expect(body.error.context).toEqual(context);
      } else {
        limit = memory_mb;
        expect(body).toMatchObject({ state: "running", memory_mb: ceilingMb, memory: { limit_mb: limit } });
      }
      expect(await memory()).toMatchObject({ reserved_mb: ceilingMb, limit_mb: limit, used_bytes: limit * mib });
      const written = JSON.parse(readFileSync(join(home, "sandboxes", id, "state.json"), "utf8"));
      expect(written.memory_limit_mb).toBe(limit === ceilingMb ? undefined : limit);
    }),
    { seed, numRuns: 60 },
  );
  await api.json("DELETE", "/v1/sandboxes/box");
});

test("a list asks no guest, and a paused one is not asked either", async () => {
  const { resize, memory, api } = await box();
  await resize(300);
  const shown = { reserved_mb: 512, limit_mb: 300, used_bytes: null, held_bytes: null, reclaimed_bytes: null };
  expect((await api.json("GET", "/v1/sandboxes")).body.sandboxes[0].memory).toMatchObject(shown);
  await api.json("POST", "/v1/sandboxes/box/pause");
  expect(await memory()).toMatchObject(shown);
  expect((await resize(200)).error).toMatchObject({ code: "SANDBOX_UNAVAILABLE", state: "paused" });
  await api.json("POST", "/v1/sandboxes/box/resume");
  expect(await memory()).toMatchObject({
    ...shown,
    used_bytes: 300 * mib,
    held_bytes: 150 * mib,
    reclaimed_bytes: 212 * mib,
  });
  await api.json("DELETE", "/v1/sandboxes/box");
});

test("looking at a sandbox does not keep it from being idle", async () => {
  const { memory, daemon, api } = await box();
  const sandbox = daemon.services.registry.get("box", "test");
  const { usedAt } = sandbox;
  expect((await memory()).used_bytes).toBe(512 * mib);
  expect(sandbox.usedAt).toBe(usedAt);
  await api.json("DELETE", "/v1/sandboxes/box");
});

test("what cannot be written down is taken back from the guest", async () => {
  const { resize, memory, home, daemon, api } = await box();
  await resize(400);
  const state = join(home, "sandboxes", daemon.services.registry.get("box", "test").id, "state.json");
  rmSync(state);
  mkdirSync(join(state, "in-the-way"), { recursive: true });
  expect((await resize(200)).error.code).toBeTypeOf("string");
  expect(await memory()).toMatchObject({ limit_mb: 400, used_bytes: 400 * mib });
  rmSync(state, { recursive: true });
  expect((await resize(200)).memory.limit_mb).toBe(200);
  await api.json("DELETE", "/v1/sandboxes/box");
});

test("the next daemon makes the guest's limit the one that is written down", async () => {
  const { resize, home, daemon, backend } = await box();
  await resize(300);
  const { live } = daemon.services.registry.get("box", "test");
  // As a daemon leaves it that dies between the guest's answer and its own file.
  await live?.session.call({ op: "memory", limit_mb: 200 });
  await daemon.close();
  const next = await testDaemon({ home, backend });
  expect(await callsOf(next).memory()).toMatchObject({ limit_mb: 300, used_bytes: 300 * mib });
  await next.api.json("DELETE", "/v1/sandboxes/box");
});

test("a sandbox that is started again has its limit again, unless its image needs more", async () => {
  const { resize, memory, api, daemon } = await box();
  await resize(300);
  expect((await api.json("POST", "/v1/sandboxes/box/stop")).body.memory).toMatchObject({ limit_mb: 300 });
  expect((await api.json("POST", "/v1/sandboxes/box/start")).body.state).toBe("running");
  expect(await memory()).toMatchObject({ limit_mb: 300, used_bytes: 300 * mib });
  await api.json("POST", "/v1/sandboxes/box/stop");
  // Less than what its image starts with.
  daemon.services.registry.get("box", "test").memoryLimitMb = leastMb - 1;
  expect((await api.json("POST", "/v1/sandboxes/box/start")).body.state).toBe("running");
  expect(await memory()).toMatchObject({ limit_mb: ceilingMb, used_bytes: ceilingMb * mib });
  const logs = await api.lines("GET", "/v1/sandboxes/box/logs?source=supervisor");
  expect(JSON.stringify(logs)).toContain("memory.limit");
  await api.json("DELETE", "/v1/sandboxes/box");
});

test("each resize is in the audit log, refused ones with their code", async () => {
  const { resize, home, api } = await box();
  await resize(300);
  await resize(128);
  const recorded = new RecordedHome(home);
  const ends = () => recorded.entries().filter(({ event }) => event === "sandbox.resize.end");
  while (ends().length < 2) await sleep(5);
  expect(ends().map(({ data }) => data["code"])).toEqual([null, "BALLOON_FAILED"]);
  await api.json("DELETE", "/v1/sandboxes/box");
});
