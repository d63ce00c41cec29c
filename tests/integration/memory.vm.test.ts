import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Api, Loose } from "../support/api.js";
import { fork, refusal, restore, save, shell } from "../support/captures.js";
import { type DaemonProcess, eventually, machinesGone, startDaemon, stopped } from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let daemon: DaemonProcess;
let api: Api;
beforeAll(async () => {
  made = makeHome();
  daemon = await startDaemon(made.home);
  api = daemon.api;
  await api.create({ name: "box", detach: true, ttl_seconds: 3600 });
});
afterAll(async () => {
  await api.json("DELETE", "/v1/sandboxes/box");
  await machinesGone(made.home);
  await stopped(daemon);
  made.remove();
});

const mib = 1024 * 1024;
const resize = (memory_mb: number, ref = "box") =>
  api.json("POST", `/v1/sandboxes/${ref}/resize`, { memory_mb }) as Promise<Loose>;
const memoryOf = async (ref = "box") => (await api.json("GET", `/v1/sandboxes/${ref}`)).body.memory;
const guestLimit = async (ref: string) => Number(await shell(api, ref, "cat /sys/fs/cgroup/mvm/memory.max"));
/** A program that fills so many MiB and then goes on as the script says. */
const fills = (count: number, then: string) => ["python3", "-c", `x = bytearray(b"x") * (${count} << 20)\n${then}`];
const restart = async (env: Record<string, string> = {}) => {
  await daemon.kill();
  daemon = await startDaemon(made.home, env);
  api = daemon.api;
};

it("a smaller limit takes back what the kernel only keeps, and is what programs meet", async () => {
  expect(await memoryOf()).toMatchObject({ reserved_mb: 512, limit_mb: 512, reclaimed_bytes: 0 });
  expect((await api.sandboxes())[0].memory).toMatchObject({ limit_mb: 512, used_bytes: null });
  await shell(api, "box", "head -c 160000000 /dev/zero > ~/cached && cat ~/cached > /dev/null");
  const before = await memoryOf();
  expect(before.used_bytes).toBeGreaterThan(160_000_000);
  expect(before.held_bytes).toBeLessThan(before.used_bytes / 2);
  const { body } = await resize(128);
  expect(body).toMatchObject({ state: "running", memory_mb: 512, memory: { reserved_mb: 512, limit_mb: 128 } });
  const after = await memoryOf();
  expect(after).toMatchObject({ limit_mb: 128, peak_bytes: expect.any(Number) });
  expect(after.used_bytes).toBeLessThanOrEqual(128 * mib);
  expect(after.reclaimed_bytes).toBeGreaterThan(24 * mib);
  expect(await shell(api, "box", "wc -c < ~/cached; rm ~/cached")).toBe("160000000");
  expect(await api.exec("box", fills(140, ""))).toMatchObject({ exit_code: 137, signal: "SIGKILL", oom_killed: true });
  expect((await resize(512)).body.memory).toMatchObject({ limit_mb: 512 });
  expect(await api.exec("box", fills(140, ""))).toMatchObject({ exit_code: 0, oom_killed: false });
});

it("programs that hold more than they are to be left with keep what they have, and live", async () => {
  const stream = await api.open("POST", "/v1/sandboxes/box/processes", {
    ...{ argv: fills(200, "print('full', flush=True)\ninput()\nprint('alive')"), stdin: "pipe", stream: true },
  });
  const started = await stream.until("started");
  await stream.until("stdout");
  const error = await refusal(api, "POST", "/v1/sandboxes/box/resize", { memory_mb: 200 });
  expect(error).toMatchObject({ name: "BalloonTransientError", code: "BALLOON_FAILED", outcome: "not_started" });
  expect(error.context).toMatchObject({ asked_mb: 200, limit_mb: 512, held_bytes: expect.any(Number) });
  expect(error.message).toMatch(/with 200 MiB: they use \d+ MiB, of which 2\d\d MiB cannot be taken back/);
  expect(await memoryOf()).toMatchObject({ limit_mb: 512 });
  await shell(api, "box", "head -c 50000000 /dev/zero > /dev/shm/more");
  await api.json("POST", `/v1/sandboxes/box/processes/${started["pid"]}/stdin?eof=true`, "\n");
  expect((await stream.until("end"))["result"]).toMatchObject({ exit_code: 0, stdout: "full\nalive\n" });
  await shell(api, "box", "rm /dev/shm/more");
});

it("a program that reads files without end neither stops a smaller limit nor is stopped by it", async () => {
  await shell(api, "box", "head -c 180000000 /dev/zero > ~/cached");
  const reading = await api.open("POST", "/v1/sandboxes/box/processes", {
    argv: ["sh", "-c", "until [ -e ~/enough ]; do cat ~/cached > /dev/null; done; echo read"],
  });
  await reading.until("started");
  await eventually("it fills the cache", async () => (await memoryOf()).used_bytes > 180_000_000);
  for (const size of [400, 128, 300, 128]) {
    expect((await resize(size)).body, `${size} MiB`).toMatchObject({ memory: { limit_mb: size } });
  }
  expect((await memoryOf()).used_bytes).toBeLessThanOrEqual(128 * mib);
  await shell(api, "box", "touch ~/enough");
  expect((await reading.until("end"))["result"]).toMatchObject({ exit_code: 0, stdout: "read\n" });
  await shell(api, "box", "rm ~/cached ~/enough");
});

it("a limit has bounds, and needs a sandbox that runs", async () => {
  expect(await refusal(api, "POST", "/v1/sandboxes/box/resize", { memory_mb: 513 })).toMatchObject({
    ...{ name: "VmConfigError", code: "VM_CONFIG", outcome: "not_started", context: { ceiling_mb: 512 } },
  });
  for (const memory_mb of [0, 127, -1, 256.5, "256", null, 1e15]) {
    const { status } = await api.json("POST", "/v1/sandboxes/box/resize", { memory_mb });
    expect(status, JSON.stringify(memory_mb)).toBe(400);
  }
  expect((await resize(256, "nobody")).body.error).toMatchObject({ code: "SANDBOX_NOT_FOUND" });
  await api.json("POST", "/v1/sandboxes/box/pause");
  expect((await resize(256)).body.error).toMatchObject({ code: "SANDBOX_UNAVAILABLE", state: "paused" });
  expect(await memoryOf()).toMatchObject({ limit_mb: 128, used_bytes: null });
  await api.json("POST", "/v1/sandboxes/box/resume");
});

it("D-02 resizes at the same time come one after the other; the limit is that of the last", async () => {
  const sizes = Array.from({ length: 12 }, (_, n) => 128 + ((n * 37) % 300));
  const order: number[] = [];
  const answers = await Promise.all(
    sizes.map(async (size) => {
      const { body } = await resize(size);
      order.push(size);
      return body.memory.limit_mb as number;
    }),
  );
  expect(answers).toEqual(sizes);
  expect((await memoryOf()).limit_mb).toBe(order.at(-1));
});

it("a limit outlives a sandbox that is stopped and started, and one that was cold", async () => {
  await resize(160);
  for (const [away, back] of [
    ["stop", "start"],
    ["cold", "resume"],
  ]) {
    for (const verb of [away, back]) expect((await api.json("POST", `/v1/sandboxes/box/${verb}`)).status).toBe(200);
    expect(await memoryOf(), back).toMatchObject({ reserved_mb: 512, limit_mb: 160, used_bytes: expect.any(Number) });
    expect(await guestLimit("box"), back).toBe(160 * mib);
  }
});

it("a restore and a fork have the limit of their source, and go their own way", async () => {
  await resize(160);
  const snapshot = await save(api, "box");
  await resize(512);
  const { info, lease } = await restore(api, snapshot.id);
  expect(await memoryOf(info.id)).toMatchObject({ reserved_mb: 512, limit_mb: 160 });
  expect(await guestLimit(info.id)).toBe(160 * mib);
  const forked = await fork(api, info.id);
  const [one] = forked.infos;
  expect(await memoryOf(one.id)).toMatchObject({ limit_mb: 160 });
  expect((await resize(512, one.id)).body.memory.limit_mb).toBe(512);
  expect(await api.exec(one.id, fills(170, ""))).toMatchObject({ exit_code: 0 });
  expect((await memoryOf(info.id)).limit_mb).toBe(160);
  forked.lease.abort();
  lease.abort();
  await api.json("DELETE", `/v1/snapshots/${snapshot.id}`);
});

it("D-02 a daemon that dies before it writes a limit down leaves the guest with the one that is written", async () => {
  await resize(200);
  await restart();
  expect(await memoryOf()).toMatchObject({ limit_mb: 200 });
  await restart({ MVM_FAULT: "resize.before-journal:1" });
  await Promise.race([resize(128).catch(() => undefined), daemon.ended]);
  expect(await daemon.ended).toBe("SIGKILL");
  await restart();
  expect(await memoryOf()).toMatchObject({ limit_mb: 200 });
  expect(await api.exec("box", fills(130, ""))).toMatchObject({ exit_code: 0 });
  expect(await api.exec("box", fills(220, ""))).toMatchObject({ oom_killed: true });
});

it("D-02 a daemon that dies while memory is taken back leaves nobody under pressure", async () => {
  await resize(512);
  await shell(api, "box", "head -c 200000000 /dev/zero > ~/cached && sync");
  const pending = resize(128).catch(() => undefined);
  await sleep(20);
  await restart();
  await pending;
  expect(await memoryOf()).toMatchObject({ limit_mb: 512 });
  expect((await api.exec("box", ["cat", "/sys/fs/cgroup/mvm/memory.high"])).stdout).toBe("max\n");
  expect(await api.exec("box", fills(200, ""))).toMatchObject({ exit_code: 0 });
  await shell(api, "box", "rm ~/cached");
});
