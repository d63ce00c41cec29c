import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes, createHash } from "node:crypto";
import { mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { makeHome, machinesOf } from "../../../tests/support/home.js";
import { processStat } from "../src/processes/identity.js";
import { ApiClient, type Line, type Loose } from "./fixture/api-client.js";

const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
let made: ReturnType<typeof makeHome>;
let home: string;
let api: ApiClient;
let daemon: ChildProcess;

beforeAll(async () => {
  made = makeHome();
  home = made.home;
  api = new ApiClient(join(home, "run/mvmd.sock"));
  await start();
  // The first start makes the template where the shared home has none.
  await api.lines("POST", "/v1/runs", { sandbox: {}, command: { argv: ["true"] } });
}, 300_000);
afterAll(() => made?.remove());
// A test that fails must not leave its machines to the next one.
afterEach(async () => {
  const { body } = await api.json("GET", "/v1/sandboxes");
  for (const { id } of body.sandboxes) await api.json("DELETE", `/v1/sandboxes/${id}`);
});

async function start(): Promise<void> {
  mkdirSync(join(home, "run"), { recursive: true, mode: 0o700 });
  mkdirSync(join(home, "logs"), { recursive: true, mode: 0o700 });
  const log = openSync(join(home, "logs/mvmd.log"), "a", 0o600);
  const words = ["--no-fork", "-n", "-E", "75", home, process.execPath, program];
  daemon = spawn("flock", words, {
    stdio: ["ignore", log, log],
    detached: true,
    env: { ...process.env, MVM_HOME: home },
  });
  while ((await api.json("GET", "/v1/version").catch(() => undefined)) === undefined) await sleep(20);
}

/** An upload that ends before it is whole. */
async function breakOff(path: string): Promise<void> {
  const socket = connect(api.socketPath);
  socket.on("error", () => undefined);
  socket.write(`PUT ${path} HTTP/1.1\r\nhost: mvm\r\ncontent-length: 1000\r\n\r\nhalf`);
  await sleep(500);
  socket.destroy();
  await sleep(500);
}

const resultOf = (lines: Line[]): Loose => lines.at(-1)?.["result"];
const exec = async (ref: string, command: object): Promise<Loose> =>
  resultOf(await api.lines("POST", `/v1/sandboxes/${ref}/processes`, command));
const alive = (pid: number): boolean => !["Z", "X", undefined].includes(processStat(pid)?.state);
async function until(condition: () => boolean, ms: number): Promise<void> {
  const began = performance.now();
  while (!condition()) {
    if (performance.now() - began > ms) throw new Error(`not within ${ms} ms`);
    await sleep(10);
  }
}

test("a run returns what the command wrote and leaves nothing", async () => {
  const lines = await api.lines("POST", "/v1/runs", {
    sandbox: { profile: "restrictive" },
    command: { argv: ["python3", "-c", "print(6*7)"], stream: true },
  });
  expect(resultOf(lines)).toMatchObject({ exit_code: 0, stdout: "42\n", isolation: { backend: "qemu" } });
  await until(() => readdirSync(join(home, "sandboxes")).length === 0, 2_000);
  expect(machinesOf(home)).toEqual([]);
});

test("files of any size go in and out unchanged", async () => {
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "files" });
  await lease.until("created");
  const content = randomBytes(8_000_000);
  const at = "/v1/sandboxes/files/files";
  expect((await api.json("PUT", `${at}/content?path=deep/er/file&mode=384`, content)).body).toMatchObject({
    bytes: content.length,
  });
  const { response } = await api.send("GET", `${at}/content?path=deep/er/file`);
  expect(response.headers).toMatchObject({ "content-length": String(content.length), "x-mvm-mode": "384" });
  const hash = createHash("sha256");
  for await (const chunk of response) hash.update(chunk as Buffer);
  expect(hash.digest("hex")).toBe(createHash("sha256").update(content).digest("hex"));
  const part = await api.json("GET", `${at}/content?path=deep/er/file&offset=10&length=5`);
  expect(part.headers["content-length"]).toBe("5");
  expect((await api.json("GET", `${at}/list?path=deep/er`)).body.entries).toMatchObject([
    { name: "file", type: "file" },
  ]);
  expect((await api.json("GET", `${at}/stat?path=none`)).body.error.code).toBe("FILE_NOT_FOUND");
  expect((await api.json("PUT", `${at}/content?path=../x`, Buffer.from("x"))).status).toBe(400);
  await breakOff(`${at}/content?path=deep/er/file`);
  expect((await exec("files", { argv: ["stat", "-c", "%s %U", "deep/er/file"] })).stdout).toBe(
    `${content.length} user\n`,
  );
  lease.abort();
});

test("stop keeps the disk, start brings it back", async () => {
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "kept", env: { WHO: "me" } });
  await lease.until("created");
  await exec("kept", { shell: "echo before > note" });
  expect((await api.json("POST", "/v1/sandboxes/kept/stop")).body).toMatchObject({
    state: "stopped",
    reason: "stopped",
  });
  expect(machinesOf(home)).toEqual([]);
  expect((await api.json("POST", "/v1/sandboxes/kept/start")).body.state).toBe("running");
  expect((await exec("kept", { shell: "cat note; echo $WHO" })).stdout).toBe("before\nme\n");
  lease.abort();
});

test("a timeout ends what the command started, also what left its session", async () => {
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "late" });
  await lease.until("created");
  const result = await exec("late", { shell: "(setsid sleep 4711 &) ; trap '' TERM; sleep 4711", timeout_ms: 1_000 });
  expect(result).toMatchObject({ exit_code: 124, timed_out: true });
  expect((await exec("late", { shell: "pgrep -x sleep | wc -l" })).stdout.trim()).toBe("0");
  lease.abort();
});

test("a flood of output and of console neither grows the daemon nor stops it", async () => {
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "flood" });
  await lease.until("created");
  const rss = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1]) * 1024;
  await exec("flood", { shell: "head -c 10000000 /dev/zero" });
  const before = rss();
  expect(await exec("flood", { shell: "head -c 60000000 /dev/zero" })).toMatchObject({
    stdout_bytes: 60_000_000,
    stdout_truncated: true,
  });
  await exec("flood", { shell: "head -c 3000000 /dev/zero | tr '\\0' x > /dev/ttyS0", user: "root" });
  expect(rss() - before).toBeLessThan(32 * 1024 * 1024);
  lease.abort();
});

test.each([
  ["its process is killed", () => machinesOf(home).forEach((pid) => process.kill(pid, "SIGKILL"))],
  [
    "its guest powers off",
    () => void exec("doomed", { shell: "echo o > /proc/sysrq-trigger", user: "root" }).catch(() => undefined),
  ],
])("a machine fails its sandbox and frees everything when %s", async (_how, end) => {
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "doomed" });
  await lease.until("created");
  const command = await api.stream("POST", "/v1/sandboxes/doomed/processes", { argv: ["sleep", "100"] });
  await command.until("started");
  end();
  const error = await command.until("end").catch((failure: Error) => JSON.parse(failure.message));
  expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", outcome: "unknown" });
  expect(await lease.until("ended")).toMatchObject({ state: "failed", reason: "crashed" });
  expect(machinesOf(home)).toEqual([]);
  lease.abort();
  await until(() => readdirSync(join(home, "sandboxes")).length === 0, 2_000);
});

test("kill -9 of the daemon ends attached machines within a second; the next daemon adopts the detached one", async () => {
  await api.lines("POST", "/v1/sandboxes", { name: "survivor", detach: true, ttl_seconds: 600 });
  await exec("survivor", { shell: "echo kept > note" });
  const ticking = { shell: "while :; do echo tick; sleep 0.2; done", background: true };
  const background = await api.stream("POST", "/v1/sandboxes/survivor/processes", ticking);
  const { pid } = await background.until("started");
  const attached = await api.stream("POST", "/v1/sandboxes", {});
  await attached.until("created");
  const machines = machinesOf(home);
  expect(machines).toHaveLength(2);
  process.kill(daemon.pid!, "SIGKILL");
  await until(() => machines.filter(alive).length === 1, 1_000);
  await start();
  expect((await api.json("GET", "/v1/sandboxes")).body.sandboxes).toMatchObject([
    { name: "survivor", state: "running" },
  ]);
  expect((await exec("survivor", { argv: ["cat", "note"] })).stdout).toBe("kept\n");
  const events = await api.stream("GET", `/v1/sandboxes/survivor/processes/${pid}/events?from=0`);
  expect(Buffer.from((await events.until("stdout"))["data"], "base64").toString()).toContain("tick");
  events.abort();
  await api.json("DELETE", "/v1/sandboxes/survivor");
  expect(machinesOf(home)).toEqual([]);
});

test("ten sandboxes at once are created, used and gone", async () => {
  const results = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      api.lines("POST", "/v1/runs", { sandbox: {}, command: { argv: ["echo", String(n)] } }),
    ),
  );
  expect(results.map((lines) => resultOf(lines)?.stdout)).toEqual(Array.from({ length: 10 }, (_, n) => `${n}\n`));
  await until(() => readdirSync(join(home, "sandboxes")).length === 0 && machinesOf(home).length === 0, 5_000);
});
