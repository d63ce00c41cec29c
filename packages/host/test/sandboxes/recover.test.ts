import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { bootId, isAlive, killIfSame, processStat } from "../../src/processes/identity.js";
import { sandboxLayout } from "../../src/store/layout.js";
import { readStateFile, writeStateFile } from "../../src/store/state-file.js";
import { temporaryHome, testDaemon } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";

/** A home in which a former daemon left one detached sandbox running, and how it is recorded. */
async function leftRunning(
  body: object = {},
): Promise<{ home: string; id: string; machine: ReturnType<typeof processBackend>["started"][0] }> {
  const home = temporaryHome();
  const backend = processBackend();
  const first = await testDaemon({ home, backend });
  const lines = await first.api.lines("POST", "/v1/sandboxes", {
    name: "kept",
    detach: true,
    ttl_seconds: 600,
    ...body,
  });
  const { id } = lines.at(-1)?.["sandbox"];
  await first.api.lines("POST", "/v1/sandboxes/kept/processes", { argv: ["true"] });
  await first.daemon.close();
  const machine = backend.started[0]!;
  expect(isAlive(machine)).toBe(true);
  return { home, id, machine };
}

test("a detached sandbox outlives its daemon: the next one adopts it and its background commands, and ends the others", async () => {
  const home = temporaryHome();
  const backend = processBackend();
  const first = await testDaemon({ home, backend });
  await first.api.lines("POST", "/v1/sandboxes", { name: "kept", detach: true, ttl_seconds: 600 });
  const script = "while :; do echo tick; sleep 0.05; done";
  const background = await first.api.stream("POST", "/v1/sandboxes/kept/processes", {
    argv: ["sh", "-c", script],
    background: true,
  });
  const { pid } = await background.until("started");
  const foreground = await first.api.stream("POST", "/v1/sandboxes/kept/processes", { argv: ["sleep", "1000"] });
  const { pid: doomed } = await foreground.until("started");
  const before = (await first.api.json("GET", "/v1/sandboxes/kept")).body;
  await first.daemon.close();

  const { api } = await testDaemon({ home, backend });
  const after = (await api.json("GET", "/v1/sandboxes/kept")).body;
  expect(after).toMatchObject({ id: before.id, state: "running", expires_at: before.expires_at, detached: true });
  const events = await api.stream("GET", `/v1/sandboxes/kept/processes/${pid}/events?from=0`);
  expect(Buffer.from((await events.until("stdout"))["data"], "base64").toString()).toContain("tick");
  while (processStat(doomed as number) !== undefined && processStat(doomed as number)?.state !== "Z") await sleep(10);
  const lines = await api.lines("POST", "/v1/sandboxes/kept/processes", { argv: ["echo", "again"] });
  expect(lines.at(-1)?.["result"].stdout).toBe("again\n");
  events.abort();
  await api.json("DELETE", "/v1/sandboxes/kept");
});

test("a machine that died meanwhile is a failed sandbox that says daemon_lost, until it is destroyed", async () => {
  const { home, id, machine } = await leftRunning();
  killIfSame(machine);
  while (isAlive(machine)) await sleep(5);
  const { api } = await testDaemon({ home });
  expect((await api.json("GET", `/v1/sandboxes/${id}`)).body).toMatchObject({ state: "failed", reason: "daemon_lost" });
  expect((await api.json("POST", `/v1/sandboxes/${id}/processes`, { argv: ["true"] })).body.error.state).toBe("failed");
  await api.json("DELETE", `/v1/sandboxes/${id}`);
  expect(readdirSync(join(home, "sandboxes"))).toEqual([]);
});

test("a pid that now belongs to another process is never signalled", async () => {
  const { home, id, machine } = await leftRunning();
  killIfSame(machine);
  const innocent = spawn("sleep", ["1000"], { stdio: "ignore" });
  onTestFinished(() => void innocent.kill("SIGKILL"));
  const { state: path } = sandboxLayout(join(home, "sandboxes"), id);
  const read = readStateFile(path, id);
  if (!read.ok) throw new Error(read.problem);
  writeStateFile(path, { ...read.state, identity: { ...read.state.identity!, pid: innocent.pid! } });
  await testDaemon({ home });
  await sleep(50);
  expect(processStat(innocent.pid!)?.state).toBe("S");
});

test("an attached sandbox of a daemon that died is ended and removed, found by its pid or only by its name", async () => {
  for (const forgetPid of [false, true]) {
    const home = temporaryHome();
    const { id, machine } = await orphan(home, forgetPid);
    const { api } = await testDaemon({ home });
    expect(isAlive(machine)).toBe(false);
    expect(readdirSync(join(home, "sandboxes"))).toEqual([]);
    expect((await api.json("GET", `/v1/sandboxes/${id}`)).status).toBe(404);
  }
});

/** What kill -9 of a daemon leaves when the reaper is gone too. */
async function orphan(
  home: string,
  forgetPid: boolean,
): Promise<{ id: string; machine: { pid: number; startTime: string; bootId: string } }> {
  const { home: source, id } = await leftRunningIn(temporaryHome());
  const directory = join(home, "sandboxes", id);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const child = spawn("sleep", ["1000"], { stdio: "ignore", argv0: "sleep" });
  child.kill("SIGKILL");
  const machineProcess = spawn("sh", ["-c", "sleep 1000; :", "-name", id], { stdio: "ignore" });
  onTestFinished(() => void machineProcess.kill("SIGKILL"));
  await sleep(30);
  const pid = machineProcess.pid as number;
  const machine = { pid, startTime: processStat(pid)!.startTime, bootId: bootId() };
  const read = readStateFile(join(source, "sandboxes", id, "state.json"), id);
  if (!read.ok) throw new Error(read.problem);
  const identity = forgetPid ? null : { ...read.state.identity!, ...machine };
  writeStateFile(join(directory, "state.json"), { ...read.state, detached: false, state: "creating", identity });
  return { id, machine };
}

async function leftRunningIn(home: string): Promise<{ home: string; id: string }> {
  const { home: made, id } = await leftRunning();
  void home;
  return { home: made, id };
}

test("what cannot be understood is quarantined with its disk; the others load, and doctor explains", async () => {
  const { home, id } = await leftRunning();
  const good = (await (async () => id)()) as string;
  const names = ["sbx_01m82q01kw53bm2t7pa46sxp01", "sbx_01m82q01kw53bm2t7pa46sxp02", "sbx_01m82q01kw53bm2t7pa46sxp03"];
  const contents = ["", "{", JSON.stringify({ schema_version: 99 })];
  names.forEach((name, at) => {
    mkdirSync(join(home, "sandboxes", name), { mode: 0o700 });
    writeFileSync(join(home, "sandboxes", name, "state.json"), contents[at]!);
    writeFileSync(join(home, "sandboxes", name, "disk"), "precious");
  });
  mkdirSync(join(home, "sandboxes", "sbx_01m82q01kw53bm2t7pa46sxp04"));
  writeFileSync(join(home, "sandboxes", ".state.json.1.1.mvm-tmp"), "half");
  mkdirSync(join(home, "sandboxes", "not-ours"));
  const { api } = await testDaemon({ home });
  expect(readdirSync(join(home, "sandboxes"))).toEqual([good]);
  const aside = readdirSync(join(home, "quarantine")).sort();
  expect(aside.map((name) => name.split(".")[0])).toEqual(["not-ours", ...names]);
  expect(readFileSync(join(home, "quarantine", aside[1]!, "disk"), "utf8")).toBe("precious");
  const { body } = await api.json("GET", "/v1/doctor");
  const check = body.checks.find(({ name }: { name: string }) => name === "quarantine");
  expect(check.status).toBe("warn");
  expect(check.detail).toMatch(/empty.*not whole JSON.*version 99/);
  await api.json("DELETE", `/v1/sandboxes/${good}`);
});

test("a sandbox whose time ran out while no daemon was there is gone", async () => {
  const { home, machine } = await leftRunning({ ttl_seconds: 1 });
  await sleep(1_100);
  await testDaemon({ home });
  expect(isAlive(machine)).toBe(false);
  expect(readdirSync(join(home, "sandboxes"))).toEqual([]);
});

test("an Idempotency-Key of a detached sandbox is known to the next daemon", async () => {
  const home = temporaryHome();
  const first = await testDaemon({ home });
  const body = { detach: true, ttl_seconds: 600 };
  const stream = await first.api.stream("POST", "/v1/sandboxes", body, { "idempotency-key": "k" });
  const { sandbox } = await stream.until("created");
  await first.daemon.close();
  const { api } = await testDaemon({ home });
  const again = await api.stream("POST", "/v1/sandboxes", body, { "idempotency-key": "k" });
  expect((await again.until("created"))["sandbox"].id).toBe(sandbox.id);
  await api.json("DELETE", `/v1/sandboxes/${sandbox.id}`);
});
