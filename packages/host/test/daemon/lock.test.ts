import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { isAlive, bootId, killIfSame, processStat } from "../../src/processes/identity.js";
import { temporaryHome } from "../fixture/daemon.js";
import { daemonProgram, serving, spawnDaemon } from "../fixture/daemon-process.js";

test(
  "of twenty daemons started at once exactly one serves, and the others say why they do not",
  { timeout: 90_000 },
  async () => {
    const home = temporaryHome();
    const daemons = await Promise.all(Array.from({ length: 20 }, () => spawnDaemon(home)));
    const codes: unknown[] = [];
    for (const { ended } of daemons) void ended.then((code) => codes.push(code));
    while (codes.length < 19) await sleep(20);
    expect(codes).toEqual(Array.from({ length: 19 }, () => 75));
    const [survivor] = daemons.filter(({ child }) => child.exitCode === null);
    expect((await serving(survivor!))?.pid).toBe(survivor!.child.pid);
  },
);

test("a daemon that was started plainly takes the lock by itself, and refuses when it is taken", async () => {
  const home = temporaryHome();
  const start = async (): Promise<{ code: Promise<number | null>; stop: () => void; text: () => string }> => {
    let text = "";
    const child = spawn(process.execPath, [await daemonProgram()], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: process.env["PATH"], MVM_HOME: home },
    });
    child.stderr.on("data", (chunk) => (text += chunk));
    onTestFinished(() => void child.kill("SIGTERM"));
    return {
      code: new Promise((resolve) => child.once("close", resolve)),
      stop: () => child.kill("SIGTERM"),
      text: () => text,
    };
  };
  const first = await start();
  const { ApiClient } = await import("../fixture/api-client.js");
  const api = new ApiClient(join(home, "run", "mvmd.sock"));
  while ((await api.json("GET", "/v1/version").catch(() => undefined)) === undefined) await sleep(20);
  const second = await start();
  expect(await second.code).toBe(75);
  expect(second.text()).toContain("another daemon");
  first.stop();
  expect(await first.code).toBe(0);
});

test("the lock is free the moment its holder is killed", async () => {
  const home = temporaryHome();
  const first = await spawnDaemon(home);
  const { pid } = (await serving(first))!;
  process.kill(pid, "SIGKILL");
  const second = await spawnDaemon(home);
  expect((await serving(second))?.pid).not.toBe(pid);
});

test("descriptors a parent left open reach neither the daemon nor its machines", async () => {
  const home = temporaryHome();
  mkdirSync(join(home, "run"), { mode: 0o700 });
  const canary = join(home, "canary");
  writeFileSync(canary, "secret");
  const listener = createServer().listen(0);
  onTestFinished(() => void listener.close());
  const fd = openSync(canary, "r");
  const program = await daemonProgram();
  const leaky = `exec 5<"$CANARY" 100<"$CANARY" 251<"$CANARY"; exec flock --no-fork -n -E 75 "$MVM_HOME" "$NODE" "$PROGRAM"`;
  const child = spawn("bash", ["-c", leaky], {
    stdio: ["ignore", "ignore", "ignore", "ignore", "ignore", "ignore", fd],
    env: {
      PATH: process.env["PATH"],
      MVM_HOME: home,
      CANARY: canary,
      NODE: process.execPath,
      PROGRAM: program,
      MVM_TEST_MACHINE: new URL("../fixture/machine.mjs", import.meta.url).pathname,
    },
  });
  closeSync(fd);
  onTestFinished(() => void child.kill("SIGKILL"));
  const daemon = {
    child,
    ended: new Promise<number | null>((resolve) => child.once("exit", resolve)),
    api: (await spawnDaemon(temporaryHome())).api,
  };
  const { ApiClient } = await import("../fixture/api-client.js");
  const api = new ApiClient(join(home, "run", "mvmd.sock"));
  const { pid } = (await serving({ ...daemon, api }))!;
  expect(pid).toBe(child.pid);
  const lease = await api.stream("POST", "/v1/sandboxes", {});
  const { sandbox } = await lease.until("created");
  const state = JSON.parse(readFileSync(join(home, "sandboxes", sandbox.id, "state.json"), "utf8"));
  const helpers = readdirSync("/proc").filter(
    (entry) => /^\d+$/.test(entry) && processStat(Number(entry))?.parent === pid,
  );
  for (const process of [String(pid), String(state.identity.pid), ...helpers]) {
    const open = readdirSync(`/proc/${process}/fd`).map((name) => {
      try {
        return readlinkSync(`/proc/${process}/fd/${name}`);
      } catch {
        return "";
      }
    });
    expect(open, `descriptors of ${process}`).not.toContain(canary);
  }
  expect(helpers.length).toBeGreaterThan(0);
});

test(
  "kill -9 of the daemon ends its attached machines within a second; the detached one lives on",
  { timeout: 60_000 },
  async () => {
    const home = temporaryHome();
    const daemon = await spawnDaemon(home);
    const { pid } = (await serving(daemon))!;
    const leases = await Promise.all(Array.from({ length: 10 }, () => daemon.api.stream("POST", "/v1/sandboxes", {})));
    await Promise.all(leases.map((lease) => lease.until("created")));
    await daemon.api.lines("POST", "/v1/sandboxes", { name: "kept", detach: true, ttl_seconds: 600 });
    const machines = readdirSync(join(home, "sandboxes")).map((id) => {
      const state = JSON.parse(readFileSync(join(home, "sandboxes", id, "state.json"), "utf8"));
      return { detached: state.detached, ...state.identity, bootId: bootId() };
    });
    process.kill(pid, "SIGKILL");
    const began = performance.now();
    const attached = machines.filter(({ detached }) => !detached);
    expect(attached).toHaveLength(10);
    while (attached.some(isAlive)) {
      expect(performance.now() - began).toBeLessThan(1_000);
      await sleep(5);
    }
    expect(machines.filter(isAlive)).toHaveLength(1);
    const next = await spawnDaemon(home);
    await serving(next);
    const { body } = await next.api.json("GET", "/v1/sandboxes");
    expect(body.sandboxes).toMatchObject([{ name: "kept", state: "running" }]);
    await next.api.json("DELETE", "/v1/sandboxes/kept");
    expect(readdirSync(join(home, "sandboxes"))).toEqual([]);
  },
);

test("SIGTERM ends attached sandboxes and lets detached ones go, within the drain deadline", async () => {
  const home = temporaryHome();
  const daemon = await spawnDaemon(home);
  const { pid } = (await serving(daemon))!;
  const lease = await daemon.api.stream("POST", "/v1/sandboxes", {});
  await lease.until("created");
  await daemon.api.lines("POST", "/v1/sandboxes", { name: "kept", detach: true, ttl_seconds: 600 });
  const began = performance.now();
  process.kill(pid, "SIGTERM");
  expect(await daemon.ended).toBe(0);
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(readdirSync(join(home, "sandboxes"))).toHaveLength(1);
  expect(readdirSync(join(home, "run"))).toEqual([]);
});

test(
  "while a daemon lives no second one serves its state root, whatever is removed from it",
  { timeout: 60_000 },
  async () => {
    const home = temporaryHome();
    const first = await spawnDaemon(home);
    const { pid } = (await serving(first))!;
    await first.api.lines("POST", "/v1/sandboxes", { name: "kept", detach: true, ttl_seconds: 600 });
    for (let times = 0; times < 3; times++) {
      rmSync(join(home, "run"), { recursive: true });
      // What a client does that finds nobody there.
      const second = await spawnDaemon(home);
      expect(await second.ended).toBe(75);
    }
    expect((await serving(first))?.pid).toBe(pid);
    expect((await first.api.json("GET", "/v1/sandboxes")).body.sandboxes).toMatchObject([
      { name: "kept", state: "running" },
    ]);
    expect((await first.api.json("DELETE", "/v1/sandboxes/kept")).status).toBe(200);
  },
);

test("a daemon whose state root is deleted ends with all of its machines and does not make the root again", async () => {
  const home = temporaryHome();
  const daemon = await spawnDaemon(home);
  await serving(daemon);
  await daemon.api.lines("POST", "/v1/sandboxes", { name: "kept", detach: true, ttl_seconds: 600 });
  const [id] = readdirSync(join(home, "sandboxes"));
  const { identity } = JSON.parse(readFileSync(join(home, "sandboxes", id!, "state.json"), "utf8"));
  onTestFinished(() => void killIfSame({ ...identity, bootId: bootId() }));
  // Until the daemon has noticed, it writes: a file that comes in between makes a directory not empty.
  for (const end = Date.now() + 10_000; existsSync(home) && Date.now() < end;) {
    spawnSync("rm", ["-rf", home]);
  }
  expect(await daemon.ended).toBe(0);
  expect(isAlive({ ...identity, bootId: bootId() })).toBe(false);
  expect(existsSync(home)).toBe(false);
});

test("a state root that was moved keeps its detached machines, and its next daemon has them", async () => {
  const parent = temporaryHome();
  const [home, moved] = [join(parent, "here"), join(parent, "there")];
  mkdirSync(home, { mode: 0o700 });
  const daemon = await spawnDaemon(home);
  await serving(daemon);
  await daemon.api.lines("POST", "/v1/sandboxes", { name: "kept", detach: true, ttl_seconds: 600 });
  renameSync(home, moved);
  expect(await daemon.ended).toBe(0);
  const next = await spawnDaemon(moved);
  await serving(next);
  expect((await next.api.json("GET", "/v1/sandboxes/kept")).body).toMatchObject({ state: "running" });
  await next.api.json("DELETE", "/v1/sandboxes/kept");
});
