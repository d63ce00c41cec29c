import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Api } from "../support/api.js";
import { fork, refusal, shell } from "../support/captures.js";
import {
  type DaemonProcess,
  eventually,
  machineProcesses,
  machinesGone,
  startDaemon,
  stopped,
} from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let daemon: DaemonProcess;
let api: Api;
let id: string;
beforeAll(async () => {
  made = makeHome();
  daemon = await startDaemon(made.home);
  api = daemon.api;
  const body = { name: "kept", detach: true, ttl_seconds: 3600, env: { GREETING: "hello" } };
  id = (await api.create(body)).info.id;
});
afterAll(async () => {
  await api.json("DELETE", `/v1/sandboxes/${id}`);
  await machinesGone(made.home);
  await stopped(daemon);
  made.remove();
});

const change = async (verb: string, ref = "kept", body?: object) =>
  (await api.json("POST", `/v1/sandboxes/${ref}/${verb}`, body)).body;
const processes = async () => (await api.json("GET", "/v1/sandboxes/kept/processes")).body.processes;
const start = async (script: string, more: object = {}) => {
  const stream = await api.open("POST", "/v1/sandboxes/kept/processes", { argv: ["sh", "-c", script], ...more });
  await stream.until("started");
  return stream;
};
const restart = async () => {
  await daemon.kill();
  daemon = await startDaemon(made.home);
  api = daemon.api;
};

it("a pause stops commands and their time limits; they go on where they stood", async () => {
  // Its limit would be over while it is paused.
  const command = await start("for i in 1 2 3 4; do sleep 1; done; echo done", { timeout_ms: 8_000 });
  expect((await change("pause")).state).toBe("paused");
  expect((await change("pause")).state).toBe("paused");
  expect(await refusal(api, "POST", "/v1/sandboxes/kept/processes", { argv: ["true"] })).toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    outcome: "not_started",
    state: "paused",
  });
  await sleep(9_000);
  expect((await change("resume")).state).toBe("running");
  expect((await change("resume")).state).toBe("running");
  const before = Date.now() / 1000;
  expect(Math.abs(Number(await shell(api, "kept", "date +%s")) - before)).toBeLessThan(10);
  expect((await command.until("end"))["result"]).toMatchObject({ exit_code: 0, timed_out: false, stdout: "done\n" });
});

it("a cold sandbox has no process, and wakes with memory, files, environment and processes", async () => {
  await shell(api, "kept", "echo in memory > /dev/shm/memory; echo on disk > ~/disk; cat /etc/machine-id > ~/machine");
  const counting = await start("while :; do date +%s > /dev/shm/count; sleep 0.2; done", { background: true });
  const waiting = await start("sleep 600");
  expect(await change("cold")).toMatchObject({ id, state: "cold", expires_at: expect.any(String) });
  expect((await change("cold")).state).toBe("cold");
  expect((await waiting.until("end").catch((error: Error) => JSON.parse(error.message))).outcome).toBe("unknown");
  counting.abort();
  expect(machineProcesses(made.home)).toEqual([]);
  expect(await refusal(api, "POST", "/v1/sandboxes/kept/processes", { argv: ["true"] })).toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    state: "cold",
  });
  expect((await change("resume")).state).toBe("running");
  expect(await shell(api, "kept", "cat /dev/shm/memory ~/disk; echo $GREETING; cmp /etc/machine-id ~/machine")).toBe(
    "in memory\non disk\nhello",
  );
  const lines = (await processes()).map(({ argv }: { argv: string[] }) => argv.join(" "));
  expect(lines.filter((line: string) => line.includes("count") || line.includes("sleep 600")).length).toBe(2);
  const count = () => shell(api, "kept", "cat /dev/shm/count");
  const first = await count();
  await eventually("the command in the background goes on", async () => (await count()) !== first);
  expect(readdirSync(join(made.home, "sandboxes", id))).not.toContain("cold");
  for (const { run_id: run } of await processes()) await api.json("DELETE", `/v1/sandboxes/kept/processes/${run}`);
});

it.each(["paused", "cold"])("D-06 a daemon that is killed finds a %s sandbox again", async (state) => {
  await shell(api, "kept", `echo before > /dev/shm/memory; echo ${state} > ~/unsynced`);
  await change(state === "paused" ? "pause" : "cold");
  await restart();
  expect((await api.sandboxes()).map((info) => [info.id, info.state])).toEqual([[id, state]]);
  expect((await change("resume")).state).toBe("running");
  expect(await shell(api, "kept", "cat /dev/shm/memory ~/unsynced")).toBe(`before\n${state}`);
});

it.each(["running", "paused", "paused before a restart", "cold"])(
  "stopping a %s one keeps its disk; starting boots it again",
  async (state) => {
    await shell(api, "kept", `echo volatile > /dev/shm/memory; echo ${state} > ~/disk`);
    if (state.startsWith("paused")) await change("pause");
    if (state === "cold") await change("cold");
    if (state.endsWith("restart")) await restart();
    expect(await change("stop")).toMatchObject({ state: "stopped", reason: "stopped" });
    expect((await change("stop")).state).toBe("stopped");
    expect(machineProcesses(made.home)).toEqual([]);
    expect(readdirSync(join(made.home, "sandboxes", id))).not.toContain("cold");
    expect((await change("start")).state).toBe("running");
    expect(await shell(api, "kept", "cat ~/disk; ls /dev/shm; echo $GREETING")).toBe(`${state}\nhello`);
  },
);

it("what a state does not allow is refused by the state's name, and changes nothing", async () => {
  const allowed: Record<string, string[]> = {
    running: ["pause", "resume", "cold", "stop", "start", "snapshots", "fork"],
    paused: ["pause", "resume", "cold", "stop", "snapshots", "fork"],
    cold: ["resume", "cold", "stop"],
    stopped: ["stop", "start"],
  };
  for (const [state, verb] of [
    ["paused", "pause"],
    ["cold", "cold"],
    ["stopped", "stop"],
  ] as const) {
    expect((await change(verb)).state).toBe(state);
    for (const other of allowed["running"]!.filter((name) => !allowed[state]!.includes(name))) {
      const error = await refusal(api, "POST", `/v1/sandboxes/kept/${other}`, {});
      expect(error, `${other} of a ${state} one`).toMatchObject({
        code: "SANDBOX_UNAVAILABLE",
        state,
      });
      expect(error.message).toContain(`it is ${state}`);
    }
    expect((await api.json("GET", "/v1/sandboxes/kept")).body.state).toBe(state);
    if (state === "stopped") await change("start");
    else await change("resume");
  }
  expect(await shell(api, "kept", "echo fine")).toBe("fine");
});

it("D-02 calls at the same time end in one order or another, and in a sandbox that works or is gone", async () => {
  await Promise.all(["pause", "cold", "resume", "pause", "resume", "cold"].map((verb) => change(verb)));
  expect(["running", "paused", "cold"]).toContain((await api.json("GET", "/v1/sandboxes/kept")).body.state);
  expect((await change("resume")).state).toBe("running");
  expect(await shell(api, "kept", "echo fine")).toBe("fine");
});

it.each(["running", "paused", "cold", "being cooled", "waking", "being saved"])(
  "W-05 destroying a %s one twice at once leaves nothing of it",
  async (state) => {
    const { infos } = await fork(api, "kept", { count: 1, detach: true, ttl_seconds: 600 });
    const ref = infos[0].id;
    const verb = { paused: "pause", cold: "cold", waking: "cold" }[state];
    if (verb !== undefined) await change(verb, ref);
    const pending =
      state === "being cooled"
        ? change("cold", ref)
        : state === "waking"
          ? change("resume", ref)
          : state === "being saved"
            ? api.lines("POST", `/v1/sandboxes/${ref}/snapshots`, {})
            : undefined;
    if (pending !== undefined) await sleep(Math.random() * 600);
    const ends = await Promise.all([1, 2].map(() => api.json("DELETE", `/v1/sandboxes/${ref}`)));
    expect(ends.map(({ status, body }) => [status, body.destroyed])).toContainEqual([200, true]);
    await pending;
    expect((await api.json("GET", `/v1/sandboxes/${ref}`)).body).toMatchObject({
      state: "destroyed",
      reason: "destroyed",
    });
    expect((await api.json("DELETE", `/v1/sandboxes/${ref}`)).body.destroyed).toBe(false);
    await machinesGone(made.home, [id]);
    expect(readdirSync(join(made.home, "sandboxes"))).toEqual([id]);
    for (const { id: saved } of (await api.json("GET", "/v1/snapshots")).body.snapshots)
      await api.json("DELETE", `/v1/snapshots/${saved}`);
    // A fork's scratch goes behind its last answer.
    await eventually("nothing is left", () => readdirSync(join(made.home, "snapshots")).join() === "ledger.json");
  },
);

it("Q-09 detaching gives an owner and an end; the client may go, restarts do not matter", async () => {
  const { info, lease } = await api.create({});
  expect(await refusal(api, "POST", `/v1/sandboxes/${info.id}/detach`, {})).toMatchObject({ code: "INVALID_ARGUMENT" });
  const detached = await change("detach", info.id, { ttl_seconds: 8, owner: "somebody" });
  expect(detached).toMatchObject({ detached: true, owner: "somebody", expires_at: expect.any(String) });
  const end = Date.parse(detached.expires_at);
  lease.abort();
  await restart();
  expect((await api.json("GET", `/v1/sandboxes/${info.id}`)).body).toMatchObject({ detached: true, owner: "somebody" });
  await machinesGone(made.home, [id]);
  expect(Date.now()).toBeGreaterThan(end - 1_000);
  await eventually("it is forgotten", async () => (await api.sandboxes()).length === 1);
  expect((await api.json("GET", `/v1/sandboxes/${info.id}`)).body).toMatchObject({ state: "destroyed", reason: "ttl" });
});

it("Q-01 a lease that ends takes a paused and a cold sandbox with it", async () => {
  for (const verb of ["pause", "cold"]) {
    const { info, lease } = await api.create({});
    await change(verb, info.id);
    lease.abort();
    await eventually("it is gone", () => readdirSync(join(made.home, "sandboxes")).length === 1);
    expect((await api.json("GET", `/v1/sandboxes/${info.id}`)).body).toMatchObject({ reason: "client_gone" });
  }
  await machinesGone(made.home, [id]);
});

it("says a minute before that a sandbox ends", async () => {
  const { info, lease } = await api.create({ ttl_seconds: 61 });
  expect(await lease.until("expiring")).toMatchObject({ sandbox_id: info.id, expires_at: info.expires_at });
  lease.abort();
});
