import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { processStat } from "../../src/processes/identity.js";
import { testDaemon, type TestDaemon } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";
import type { Line, Loose } from "../fixture/api-client.js";

async function box(
  backend = processBackend(),
): Promise<TestDaemon & { run: (command: object) => Promise<Line[]>; at: string }> {
  const made = await testDaemon({ backend });
  const lease = await made.api.stream("POST", "/v1/sandboxes", { name: "box" });
  await lease.until("created");
  const at = "/v1/sandboxes/box/processes";
  return { ...made, at, run: (command) => made.api.lines("POST", at, command) };
}
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
/** What is really held: when garbage is collected is the engine's business. */
function heldBytes(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
const resultOf = (lines: Line[]): Loose => lines.at(-1)?.["result"];
const running = (pid: number): boolean => !["Z", "X", undefined].includes(processStat(pid)?.state);

test("passes argv, environment and stdin byte for byte, and status, signal and streams back", async () => {
  const { run } = await box();
  const odd = ["", " ", "-x", "a\nb", "'\"$", "ä😀"];
  const echoed = resultOf(await run({ argv: ["printf", "%s|", ...odd] }));
  expect(echoed.stdout).toBe(odd.map((arg) => `${arg}|`).join(""));
  expect(resultOf(await run({ shell: 'printf %s "$A"; exit 3', env: { A: "b c" } }))).toMatchObject({
    stdout: "b c",
    exit_code: 3,
  });
  expect(resultOf(await run({ shell: "kill -9 $$" }))).toMatchObject({
    exit_code: 137,
    signal: "SIGKILL",
    timed_out: false,
  });
  const bytes = Buffer.from([0, 255, 10, 195]);
  const data = resultOf(await run({ argv: ["cat"], stdin: "data", stdin_data: bytes.toString("base64") }));
  expect(Buffer.from(data.stdout_base64, "base64")).toEqual(bytes);
  expect(data).toMatchObject({ stdout_bytes: 4, stdout_truncated: false, isolation: { isolation: "emulated" } });
  expect((await run({ argv: ["/no/such/program"] })).map(({ event }) => event)).toEqual(["end"]);
});

test("keeps head and tail of what is too long, counts all of it, exactly at the limit", async () => {
  const { run } = await box();
  for (const [bytes, truncated] of [
    [999, false],
    [1000, false],
    [1001, true],
  ] as const) {
    const result = resultOf(await run({ shell: `head -c ${bytes} /dev/zero | tr '\\0' x`, max_output_bytes: 1000 }));
    expect(result).toMatchObject({ stdout_bytes: bytes, stdout_truncated: truncated });
  }
});

test("a timeout ends the command with status 124 and what it had written", async () => {
  const { run } = await box();
  const began = performance.now();
  const result = resultOf(await run({ shell: "echo before; sleep 600", timeout_ms: 300 }));
  expect(performance.now() - began).toBeLessThan(1_500);
  expect(result).toMatchObject({ exit_code: 124, timed_out: true, stdout: "before\n" });
});

test("a foreground command dies with its connection, a background one does not", async () => {
  const { api, at } = await box();
  const foreground = await api.stream("POST", at, { argv: ["sleep", "100"] });
  const { pid } = await foreground.until("started");
  foreground.abort();
  while (running(pid)) await sleep(5);
  const background = await api.stream("POST", at, { argv: ["sleep", "100"], background: true });
  const started = await background.until("started");
  background.abort();
  await sleep(100);
  expect(running(started["pid"])).toBe(true);
  const listed = (await api.json("GET", at)).body.processes;
  expect(listed).toMatchObject([
    { pid: started["pid"], run_id: started["run_id"], argv: ["sleep", "100"], running: true },
  ]);
  expect((await api.json("POST", `${at}/${started["pid"]}/signal`, { signal: "TERM" })).body).toEqual({});
  while (running(started["pid"])) await sleep(5);
  expect((await api.json("POST", `${at}/${started["pid"]}/signal`, { signal: "NOSUCH" })).status).toBe(400);
});

test("a background command's output can be replayed from a cursor, with gaps told, and its result after its end", async () => {
  const { api, at } = await box();
  const command = await api.stream("POST", at, {
    shell: "echo one; echo two >&2; sleep 0.3; echo three",
    background: true,
  });
  const { pid } = await command.until("started");
  await sleep(150);
  const follow = async (from: string): Promise<Line[]> => await api.lines("GET", `${at}/${pid}/events${from}`);
  const [all, live] = await Promise.all([follow("?from=0"), follow("")]);
  expect(all.map(({ event }) => event)).toEqual(["stdout", "stderr", "stdout", "end"]);
  expect(live.map(({ event }) => event)).toEqual(["stdout", "end"]);
  expect(resultOf(all)).toMatchObject({ stdout: "one\nthree\n", stderr: "two\n" });
  expect((await follow("?from=6")).map(({ data }) => data && Buffer.from(data, "base64").toString())).toEqual([
    "o\n",
    "three\n",
    undefined,
  ]);

  const flood = await api.stream("POST", at, { shell: "head -c 5000000 /dev/zero; sleep 100", background: true });
  const flooding = await flood.until("started");
  await sleep(700);
  const late = await api.stream("GET", `${at}/${flooding["pid"]}/events?from=0`);
  const gap = await late.until("gap");
  expect(gap["from"]).toBe(0);
  expect(gap["to"]).toBeGreaterThan(3_900_000);
  late.abort();
});

test("two hundred commands at once keep their outputs apart", async () => {
  const { run } = await box();
  const results = await Promise.all(Array.from({ length: 200 }, (_, n) => run({ argv: ["echo", String(n)] })));
  expect(results.map((lines) => resultOf(lines).stdout.trim())).toEqual(
    Array.from({ length: 200 }, (_, n) => String(n)),
  );
});

test("300 MB of output grow the daemon by less than 32 MB, streamed or not", { timeout: 60_000 }, async () => {
  const { run, api, at } = await box();
  const bytes = 300_000_000;
  await run({ shell: "head -c 20000000 /dev/zero" });
  const before = heldBytes();
  const result = resultOf(await run({ shell: `head -c ${bytes} /dev/zero` }));
  expect(result).toMatchObject({ stdout_bytes: bytes, stdout_truncated: true });
  expect(heldBytes() - before).toBeLessThan(32e6);
  const stream = await api.stream("POST", at, { shell: `head -c ${bytes / 10} /dev/zero`, stream: true });
  let seen = 0;
  for (let line = await stream.next(); line !== undefined && line.event !== "end"; line = await stream.next()) {
    if (line.event === "stdout") seen += Buffer.from(line["data"], "base64").length;
  }
  expect(seen).toBe(bytes / 10);
});

test("a reader that does not read holds its command up, not the daemon and not the others", async () => {
  const { run, api, at } = await box();
  const stuck = await api.send("POST", at, { argv: ["cat", "/dev/zero"], stream: true });
  stuck.response.pause();
  await sleep(300);
  const before = process.memoryUsage();
  await sleep(700);
  const after = process.memoryUsage();
  expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(16e6);
  expect(resultOf(await run({ argv: ["echo", "others"] })).stdout).toBe("others\n");
  stuck.abort();
});

test("input a command never reads is not piled up in the daemon", async () => {
  const { api, at } = await box();
  const command = await api.stream("POST", at, { argv: ["sleep", "0.5"], stdin: "pipe" });
  const { pid } = await command.until("started");
  const late = await api.json("POST", `${at}/${pid}/stdin`, Buffer.alloc(50_000_000));
  expect(late.status).toBeGreaterThanOrEqual(200);
  expect(resultOf([await command.until("end")])).toMatchObject({ exit_code: 0 });
});

test(
  "a guest that no longer answers is given up some seconds after its command's time, with what is known",
  { timeout: 60_000 },
  async () => {
    const { api, at } = await box(processBackend({ accel: "kvm" }));
    const command = await api.stream("POST", at, { shell: "echo partial; sleep 100", timeout_ms: 500, stream: true });
    await command.until("stdout");
    void api.send("POST", at, { argv: ["%stop"] }).catch(() => undefined);
    const error = await command.until("end").catch((failure: Error) => JSON.parse(failure.message));
    expect(error).toMatchObject({ name: "Timeout", code: "COMMAND_TIMEOUT", outcome: "unknown" });
    expect(error.result).toMatchObject({ stdout: "partial\n", timed_out: true, exit_code: 124 });
    expect((await api.json("GET", "/v1/sandboxes/box")).body).toMatchObject({ state: "failed", reason: "crashed" });
  },
);
