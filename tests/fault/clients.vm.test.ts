import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  checkHome,
  eventually,
  machineProcesses,
  machinesGone,
  startDaemon,
  stopped,
  type DaemonProcess,
} from "../support/daemon.js";
import { makeHome, root } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let daemon: DaemonProcess;
beforeAll(async () => {
  made = makeHome();
  daemon = await startDaemon(made.home);
  (await daemon.api.create()).lease.abort();
  await machinesGone(made.home);
});
afterAll(async () => {
  await stopped(daemon);
  made.remove();
});

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program behind the launcher: a signal must reach the command line, not a set-up that happens to run. */
function start(
  args: readonly string[],
  home = made.home,
): { child: ChildProcess; ended: Promise<Ended>; out: () => string } {
  const child = spawn(process.execPath, args, { stdio: "pipe", env: { ...process.env, MVM_HOME: home } });
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<Ended>((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr })),
  );
  return { child, ended, out: () => stdout };
}
const mvmctl = (...args: string[]) => start([join(root, "packages/cli/dist/mvmctl.js"), ...args]);

/** Nothing of the client is left, and the daemon is well. */
async function nothingLeft(): Promise<void> {
  const ms = await machinesGone(made.home);
  await eventually("the sandbox is forgotten", async () => (await daemon.api.sandboxes()).length === 0);
  await checkHome(made.home, daemon.api);
  console.log(`no machine ${Math.round(ms)} ms after the client's end (goal: 1000 ms)`);
}

const exits = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGKILL: "SIGKILL" } as const;
const signals = Object.keys(exits) as (keyof typeof exits)[];

it.each(signals)("Q-07 T-06 %s while the command runs ends command and sandbox", async (signal) => {
  const { child, ended, out } = mvmctl(
    "run",
    "--",
    "sh",
    "-c",
    "trap '' INT TERM HUP; echo up; sleep 1000; sleep 1000",
  );
  await eventually("the command runs", () => out() === "up\n", 60_000);
  child.kill(signal);
  const { code, signal: by, stderr } = await ended;
  expect(code ?? by).toBe(exits[signal]);
  expect(stderr).not.toMatch(/ at .*\.js:\d+/);
  await nothingLeft();
});

it.each(signals)("Q-07 %s during the boot", async (signal) => {
  const { child, ended } = mvmctl("run", "--", "sleep", "1000");
  await eventually("the machine starts", () => machineProcesses(made.home).length > 0);
  child.kill(signal);
  const { code, signal: by } = await ended;
  expect(code ?? by).toBe(exits[signal]);
  await nothingLeft();
});

it(
  "Q-07 signals at any moment of a run: twelve moments from the start to the command",
  { timeout: 240_000 },
  async () => {
    for (let at = 0; at < 12; at++) {
      const { child, ended } = mvmctl("run", "--", "sleep", "1000");
      await sleep(60 * at);
      child.kill("SIGINT");
      const { code, signal } = await ended;
      // Before the program listens, the signal's own effect ends it.
      expect(code ?? signal, `after ${60 * at} ms`).toBeOneOf([130, "SIGINT"]);
    }
    await nothingLeft();
  },
);

it("Q-07 Ctrl-C twice ends at once", async () => {
  const { child, ended, out } = mvmctl("run", "--", "sh", "-c", "echo up; sleep 1000");
  await eventually("the command runs", () => out() === "up\n", 60_000);
  child.kill("SIGINT");
  child.kill("SIGINT");
  expect((await ended).code).toBe(130);
  await nothingLeft();
});

it("Q-07 Ctrl-Z and then a kill", async () => {
  const { child, ended, out } = mvmctl("run", "--", "sh", "-c", "echo up; sleep 1000");
  await eventually("the command runs", () => out() === "up\n", 60_000);
  child.kill("SIGSTOP");
  await sleep(300);
  expect(await daemon.api.sandboxes()).toHaveLength(1);
  child.kill("SIGKILL");
  await ended;
  await nothingLeft();
});

it("Q-07 an interrupt while the image is looked at and while a template is made", { timeout: 240_000 }, async () => {
  // A size of its own needs a template; the first start of a daemon reads the whole image.
  await stopped(daemon);
  for (const waitForTemplate of [false, true]) {
    const { child, ended } = mvmctl("run", "--memory", "320M", "--", "sleep", "1000");
    if (waitForTemplate) await eventually("a template is made", () => machineProcesses(made.home).length > 0, 60_000);
    else await sleep(700);
    child.kill("SIGINT");
    expect((await ended).code).toBe(130);
    await machinesGone(made.home);
  }
  const client = mvmctl("daemon", "stop", "--force");
  await client.ended;
  daemon = await startDaemon(made.home);
  await nothingLeft();
});

it(
  "Q-07 an interrupted up leaves a whole sandbox or none; an interrupted exec leaves the sandbox",
  { timeout: 240_000 },
  async () => {
    for (const at of [150, 300, 600]) {
      const { child, ended } = mvmctl("up", "half", "--ttl", "10m");
      await sleep(at);
      child.kill("SIGINT");
      await ended;
      await eventually("it is decided", async () =>
        (await daemon.api.sandboxes()).every(({ state }) => state === "running"),
      );
      await checkHome(made.home, daemon.api);
      for (const { id } of await daemon.api.sandboxes()) await daemon.api.json("DELETE", `/v1/sandboxes/${id}`);
    }
    expect((await mvmctl("up", "devbox", "--ttl", "10m").ended).code).toBe(0);
    const { child, ended, out } = mvmctl("exec", "devbox", "--", "sh", "-c", "echo up; sleep 4711");
    await eventually("the command runs", () => out() === "up\n", 60_000);
    child.kill("SIGINT");
    expect((await ended).code).toBe(130);
    await eventually("the command is gone", async () => {
      const { stdout } = await daemon.api.exec("devbox", ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
      return !stdout.includes("sleep 4711 ");
    });
    expect((await daemon.api.sandboxes())[0]).toMatchObject({ name: "devbox", state: "running" });
    await daemon.api.json("DELETE", "/v1/sandboxes/devbox");
    await nothingLeft();
  },
);

const endings = {
  "process.exit": "process.exit(3)",
  "an uncaught exception": "throw new Error('mine')",
  "an unhandled rejection": "void Promise.reject(new Error('mine')); setTimeout(() => undefined, 1e6)",
  SIGKILL: "process.kill(process.pid, 'SIGKILL')",
  SIGTERM: "process.kill(process.pid, 'SIGTERM'); setTimeout(() => undefined, 1e6)",
  "running out of work": "",
} as const;

it.each(Object.keys(endings) as (keyof typeof endings)[])(
  "Q-08 an SDK program that ends by %s leaves no machine",
  async (how) => {
    const program = `
    import { Sandbox } from ${JSON.stringify(join(root, "packages/sdk/dist/index.js"))};
    const sandbox = await Sandbox.create({ name: "mine" });
    const { stdout } = await sandbox.commands.run(["echo", "up"]);
    process.stdout.write(stdout, () => { ${endings[how]} });`;
    const { ended } = start(["--input-type=module", "-e", program]);
    const { stdout, code, signal, stderr } = await ended;
    expect(stdout, stderr).toBe("up\n");
    expect(code ?? signal).toBe(
      { "process.exit": 3, SIGKILL: "SIGKILL", SIGTERM: "SIGTERM", "running out of work": 0 }[how as string] ?? 1,
    );
    await nothingLeft();
  },
);

it("Q-08 SIGKILL of an SDK program while it creates", async () => {
  const program = `
    import { Sandbox } from ${JSON.stringify(join(root, "packages/sdk/dist/index.js"))};
    for (;;) await Promise.all([Sandbox.create(), Sandbox.create()]);`;
  const { child, ended } = start(["--input-type=module", "-e", program]);
  await eventually("a machine starts", () => machineProcesses(made.home).length > 0, 60_000);
  child.kill("SIGKILL");
  await ended;
  await nothingLeft();
});

it("T-06 a client that dies leaves the detached sandbox it made, and only that", async () => {
  const program = `
    import { Sandbox } from ${JSON.stringify(join(root, "packages/sdk/dist/index.js"))};
    await Sandbox.create({ name: "mine" });
    await Sandbox.create({ name: "kept", detach: true, ttlSeconds: 600 });
    process.kill(process.pid, "SIGKILL");`;
  await start(["--input-type=module", "-e", program]).ended;
  await eventually("one is left", async () => (await daemon.api.sandboxes()).length === 1);
  const [info] = await checkHome(made.home, daemon.api);
  expect(info).toMatchObject({ name: "kept", state: "running" });
  expect((await daemon.api.exec("kept", ["echo", "alive"])).stdout).toBe("alive\n");
  await daemon.api.json("DELETE", "/v1/sandboxes/kept");
  await nothingLeft();
});
