import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from "vitest";
import {
  checkHome,
  eventually,
  isLive,
  machinesGone,
  startDaemon,
  stopped,
  type DaemonProcess,
} from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let daemon: DaemonProcess;
beforeAll(() => {
  made = makeHome();
});
afterAll(() => made.remove());
/** Each test leaves its last daemon in `daemon`. */
afterEach(async () => {
  for (const { id } of await daemon.api.sandboxes().catch(() => []))
    await daemon.api.json("DELETE", `/v1/sandboxes/${id}`);
  await stopped(daemon);
  await machinesGone(made.home);
});

const keep = async (name: string): Promise<string> =>
  (await daemon.api.create({ name, detach: true, ttl_seconds: 600 })).info.id;
const stateFile = (id: string): string => join(made.home, "sandboxes", id, "state.json");
const quarantined = (): string[] => readdirSync(join(made.home, "quarantine")).map((name) => name.split(".")[0]!);

it("D-03 D-12 a state file that is torn, empty, random or newer costs its sandbox only, and doctor says so", async () => {
  daemon = await startDaemon(made.home);
  const ids: string[] = [];
  for (const name of ["good", "torn", "empty", "random", "newer"]) ids.push(await keep(name));
  const [good, torn, empty, random, newer] = ids as [string, string, string, string, string];
  await daemon.kill();
  const whole = readFileSync(stateFile(torn));
  writeFileSync(stateFile(torn), whole.subarray(0, whole.length / 2));
  writeFileSync(stateFile(empty), "");
  writeFileSync(stateFile(random), Buffer.from(Array.from({ length: 700 }, (_, at) => (at * 7919) % 256)));
  writeFileSync(
    stateFile(newer),
    JSON.stringify({ ...JSON.parse(readFileSync(stateFile(newer), "utf8")), schema_version: 2 }),
  );

  daemon = await startDaemon(made.home);
  expect((await checkHome(made.home, daemon.api)).map(({ id }) => id)).toEqual([good]);
  expect((await daemon.api.exec(good, ["echo", "alive"])).stdout).toBe("alive\n");
  expect(quarantined().sort()).toEqual([torn, empty, random, newer].sort());
  const { body } = await daemon.api.json("GET", "/v1/doctor");
  const check = body.checks.find(({ name }: { name: string }) => name === "quarantine");
  expect(check.status).toBe("warn");
  for (const id of [torn, empty, random, newer]) expect(check.detail).toContain(id);
  expect(check.detail).toMatch(/version 2, this daemon reads 1/);
  rmSync(join(made.home, "quarantine"), { recursive: true });
});

it("D-03 every prefix of a state file is understood as damage, not as a sandbox", async () => {
  daemon = await startDaemon(made.home);
  const id = await keep("whole");
  await daemon.api.json("POST", "/v1/sandboxes/whole/stop");
  await daemon.kill();
  const text = readFileSync(stateFile(id));
  const steps = Array.from({ length: 40 }, (_, at) => Math.floor((at * text.length) / 40));
  steps.forEach((length, at) => {
    // Ids of the right form: 26 characters of the id's alphabet.
    const copy = `sbx_${id.slice(4, -2)}${String(at).padStart(2, "0")}`;
    mkdirSync(join(made.home, "sandboxes", copy), { mode: 0o700 });
    writeFileSync(stateFile(copy), text.subarray(0, length));
  });
  daemon = await startDaemon(made.home);
  expect((await checkHome(made.home, daemon.api)).map(({ id: found }) => found)).toEqual([id]);
  expect(quarantined()).toHaveLength(steps.length);
  rmSync(join(made.home, "quarantine"), { recursive: true });
});

it("D-05 Q-04 a recorded pid that now is another process's, and programs that look like ours, are never signalled", async () => {
  daemon = await startDaemon(made.home);
  const id = await keep("kept");
  const attached = (await daemon.api.create()).info.id;
  // The user's own: a name like one of ours, another home's sandbox, a machine without any name.
  const innocent = [
    ["sleep", "1000"],
    ["sh", "-c", "sleep 1000; :", "-name", "guest=sbx_00000000000000000000000000"],
    ["sh", "-c", "sleep 1000; :", "qemu-system-x86_64", "-name", "my-own-vm"],
    ["sh", "-c", "sleep 1000; :", `${made.home}/sandboxes/${id}/vm`, `guest=${id}`],
  ].map(([program, ...args]) => spawn(program!, args, { stdio: "ignore" }));
  onTestFinished(() => innocent.forEach((child) => void child.kill("SIGKILL")));
  await daemon.kill();
  await machinesGone(made.home, [id]);
  for (const [at, sandbox] of [id, attached].entries()) {
    const state = existsSync(stateFile(sandbox)) ? JSON.parse(readFileSync(stateFile(sandbox), "utf8")) : undefined;
    if (state === undefined) continue;
    // Everything of the record is kept but the pid: what a recycled pid looks like.
    process.kill(at === 0 ? state.identity.pid : innocent[0]!.pid!, at === 0 ? "SIGKILL" : 0);
    writeFileSync(
      stateFile(sandbox),
      JSON.stringify({ ...state, identity: { ...state.identity, pid: innocent[0]!.pid } }),
    );
  }
  daemon = await startDaemon(made.home);
  const [info] = await daemon.api.sandboxes();
  expect(info).toMatchObject({ id, state: "failed", reason: "daemon_lost" });
  await daemon.api.json("DELETE", `/v1/sandboxes/${id}`);
  expect(innocent.map(({ pid }) => isLive(pid!))).toEqual([true, true, true, true]);
});

it("D-06 a detached sandbox survives kill -9, twice, with its files and its running command", async () => {
  daemon = await startDaemon(made.home);
  const id = await keep("kept");
  await daemon.api.exec(id, ["sh", "-c", "echo mine > note"]);
  const background = await daemon.api.open("POST", `/v1/sandboxes/${id}/processes`, {
    argv: ["sleep", "1000"],
    background: true,
  });
  const { pid } = await background.until("started");
  const before = (await daemon.api.sandboxes())[0];
  for (let times = 0; times < 2; times++) {
    await daemon.kill();
    daemon = await startDaemon(made.home);
    expect(await checkHome(made.home, daemon.api)).toMatchObject([
      { id, name: "kept", state: "running", expires_at: before.expires_at },
    ]);
    expect((await daemon.api.exec("kept", ["cat", "note"])).stdout).toBe("mine\n");
    const { body } = await daemon.api.json("GET", `/v1/sandboxes/${id}/processes`);
    expect(body.processes.map((process: { pid: number }) => process.pid)).toContain(pid);
  }
});

it("D-07 the socket, the run directory or a sandbox's directory deleted underneath", { timeout: 240_000 }, async () => {
  daemon = await startDaemon(made.home);
  const kept = await keep("kept");
  for (const victim of ["run/mvmd.sock", "run"]) {
    rmSync(join(made.home, victim), { recursive: true });
    await eventually(`it answers without its ${victim}`, () =>
      daemon.api.json("GET", "/v1/version").then(
        ({ body }) => body.pid === daemon.pid,
        () => false,
      ),
    );
    expect((await daemon.api.exec("kept", ["echo", "alive"])).stdout).toBe("alive\n");
  }
  const lost = await keep("lost");
  rmSync(join(made.home, "sandboxes", lost), { recursive: true });
  // Nobody could go on with it: it is ended, says why, and others do not notice.
  const { body } = await daemon.api.json("POST", "/v1/sandboxes/lost/pause");
  expect(body.error).toMatchObject({
    code: "SANDBOX_UNAVAILABLE",
    message: 'Cannot pause sandbox "lost": it is destroyed (its directory was removed from the state root)',
  });
  await machinesGone(made.home, [kept]);
  expect((await daemon.api.exec("kept", ["echo", "alive"])).stdout).toBe("alive\n");

  // The same while no daemon runs.
  const second = await keep("second");
  await stopped(daemon);
  rmSync(join(made.home, "run"), { recursive: true });
  rmSync(join(made.home, "sandboxes", second), { recursive: true });
  daemon = await startDaemon(made.home);
  expect((await daemon.api.sandboxes()).map(({ id }: { id: string }) => id)).toEqual([kept]);
  await machinesGone(made.home, [kept]);
});

it("D-07 the whole sandboxes directory deleted underneath a daemon does not keep it from creating others", async () => {
  daemon = await startDaemon(made.home);
  rmSync(join(made.home, "sandboxes"), { recursive: true });
  const answer = await daemon.api.lines("POST", "/v1/sandboxes", { detach: true, ttl_seconds: 60 });
  const last = answer.at(-1)!;
  if (last.event !== "created") {
    expect(last["error"].code).toMatch(/^[A-Z_]+$/);
    expect(last["error"].code).not.toBe("INTERNAL");
  }
  mkdirSync(join(made.home, "sandboxes"), { recursive: true, mode: 0o700 });
  const { info, lease } = await daemon.api.create();
  expect(info.state).toBe("running");
  lease.abort();
});
