import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Answer } from "../support/api.js";
import {
  checkHome,
  eventually,
  machineProcesses,
  machinesGone,
  startDaemon,
  stopped,
  type DaemonProcess,
} from "../support/daemon.js";
import { makeHome } from "../support/home.js";

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

const fds = (): number => readdirSync(`/proc/${daemon.pid}/fd`).length;
const rssKb = (): number => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1]);
const nothingLeft = async (): Promise<void> => {
  await machinesGone(made.home);
  await eventually("no sandbox is left", async () => (await daemon.api.sandboxes()).length === 0);
  expect(readdirSync(join(made.home, "sandboxes"))).toEqual([]);
  await checkHome(made.home, daemon.api);
};

it(
  "B-01 forty at once: create, exec, destroy; all succeed, no two are the same, nothing is left",
  { timeout: 300_000 },
  async () => {
    const before = fds();
    const began = performance.now();
    const lives = Array.from({ length: 40 }, async (_, at) => {
      const { info, lease } = await daemon.api.create();
      const { stdout } = await daemon.api.exec(info.id, [
        "sh",
        "-c",
        `echo ${at}; hostname; head -c 16 /dev/urandom | od -An -tx1`,
      ]);
      const { body } = await daemon.api.json("DELETE", `/v1/sandboxes/${info.id}`);
      lease.abort();
      const [number, hostname, random] = stdout.split("\n");
      return { id: info.id, at: Number(number) === at, hostname, random, destroyed: body.destroyed };
    });
    const done = await Promise.all(lives);
    console.log(`40 of 40 in ${Math.round(performance.now() - began)} ms`);
    expect(done.every(({ at, destroyed }) => at && destroyed)).toBe(true);
    for (const what of ["id", "hostname", "random"] as const)
      expect(new Set(done.map((one) => one[what])).size, what).toBe(40);
    await nothingLeft();
    await eventually("its descriptors are back", () => fds() <= before + 2);
  },
);

it("B-01 thirty one-shot runs at once", { timeout: 300_000 }, async () => {
  const runs = Array.from({ length: 30 }, async (_, at) => {
    const command = { argv: ["sh", "-c", `echo ${at}; exit ${at}`] };
    const { result } = (await daemon.api.lines("POST", "/v1/runs", { sandbox: {}, command })).at(-1)!;
    return [result.stdout, result.exit_code];
  });
  expect(await Promise.all(runs)).toEqual(Array.from({ length: 30 }, (_, at) => [`${at}\n`, at]));
  await nothingLeft();
});

it("B-03 a hundred commands at once in one machine: every output is its own", { timeout: 300_000 }, async () => {
  const { info, lease } = await daemon.api.create();
  const commands = Array.from({ length: 100 }, async (_, at) => {
    const word = `${at}-`.repeat(200);
    const script = `for i in 1 2 3 4 5; do echo ${word}; echo ${word} >&2; done; exit ${at}`;
    const { stdout, stderr, exit_code } = await daemon.api.exec(info.id, ["sh", "-c", script]);
    expect([stdout, stderr, exit_code]).toEqual([`${word}\n`.repeat(5), `${word}\n`.repeat(5), at]);
  });
  await Promise.all(commands);
  const { body } = await daemon.api.json("GET", `/v1/sandboxes/${info.id}/processes`);
  expect(body.processes).toEqual([]);
  lease.abort();
  await nothingLeft();
});

it(
  "B-02 sixty times create and destroy: descriptors and memory of the daemon stay flat",
  { timeout: 300_000 },
  async () => {
    const samples: { fds: number; rssKb: number }[] = [];
    for (let cycle = 0; cycle < 60; cycle++) {
      const { info, lease } = await daemon.api.create();
      expect((await daemon.api.json("DELETE", `/v1/sandboxes/${info.id}`)).body.destroyed).toBe(true);
      lease.abort();
      if (cycle % 10 === 9) {
        await machinesGone(made.home);
        await sleep(100);
        samples.push({ fds: fds(), rssKb: rssKb() });
      }
    }
    const [first, last] = [samples[1]!, samples.at(-1)!];
    console.log(
      `fds ${samples.map((one) => one.fds).join(" ")}; rss ${samples.map((one) => Math.round(one.rssKb / 1024)).join(" ")} MiB`,
    );
    expect(last.fds).toBeLessThanOrEqual(first.fds + 2);
    // A leak of one sandbox's records would be dwarfed by the collector's moods; one of its buffers would not.
    expect(last.rssKb - first.rssKb).toBeLessThan(24 * 1024);
    await nothingLeft();
  },
);

it(
  "C-11 fifty creates of one name at once: exactly one succeeds, the others say why",
  { timeout: 300_000 },
  async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        daemon.api.lines("POST", "/v1/sandboxes", { name: "one", detach: true, ttl_seconds: 300 }),
      ),
    );
    const last = answers.map((lines) => lines.at(-1)!);
    expect(last.filter(({ event }) => event === "created")).toHaveLength(1);
    expect(last.filter((line) => line["error"]?.code === "NAME_TAKEN")).toHaveLength(49);
    expect(new Set(machineProcesses(made.home).map(({ owner }) => owner)).size).toBe(1);
    await daemon.api.json("DELETE", "/v1/sandboxes/one");
    await nothingLeft();
  },
);

it("C-11 one idempotency key, ten times at once and once again later: one sandbox", { timeout: 300_000 }, async () => {
  const headers = { "idempotency-key": "the-same" };
  const body = { detach: true, ttl_seconds: 300 };
  const created = await Promise.all(Array.from({ length: 10 }, () => daemon.api.create(body, headers)));
  const ids = new Set(created.map(({ info }) => info.id));
  expect(ids.size).toBe(1);
  expect(ids).toContain((await daemon.api.create(body, headers)).info.id);
  expect(await daemon.api.sandboxes()).toHaveLength(1);
  const other = await daemon.api.json("POST", "/v1/sandboxes", { ...body, cpu: 2 }, headers);
  expect([other.status, other.body.error.code]).toEqual([409, "IDEMPOTENCY_CONFLICT"]);
  await daemon.api.json("DELETE", `/v1/sandboxes/${[...ids][0]}`);
  await nothingLeft();
});

it(
  "W-05 B-05 starts that are given up while they wait free their place; fifty destroys of each share one clean-up",
  { timeout: 300_000 },
  async () => {
    const pending: Promise<Answer>[] = Array.from({ length: 16 }, () => daemon.api.open("POST", "/v1/sandboxes", {}));
    const impatient = Array.from({ length: 16 }, async () => {
      const controller = new AbortController();
      const call = fetchLease(controller.signal);
      await sleep(150);
      controller.abort();
      await call;
    });
    await Promise.all(impatient);
    const leases = await Promise.all(pending);
    const ids = await Promise.all(leases.map(async (lease) => (await lease.until("created"))["sandbox"].id as string));
    expect(new Set(ids).size).toBe(16);
    await eventually("only the patient ones are there", async () => (await daemon.api.sandboxes()).length === 16);
    await checkHome(made.home, daemon.api);
    const destroyed = await Promise.all(
      ids.flatMap((id) => Array.from({ length: 50 }, () => daemon.api.json("DELETE", `/v1/sandboxes/${id}`))),
    );
    expect(destroyed.every(({ status }) => status === 200)).toBe(true);
    for (const lease of leases) lease.abort();
    await nothingLeft();
    // Every place is free again: as many starts as there are cores run at once, and more.
    const after = await Promise.all(Array.from({ length: 4 }, () => daemon.api.create()));
    for (const { lease } of after) lease.abort();
    await nothingLeft();
  },
);

/** A create whose connection ends when the signal says so, whatever has come by then. */
async function fetchLease(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const body = "{}";
    const headers = { "content-type": "application/json", "content-length": body.length };
    const call = request({ socketPath: daemon.api.socketPath, method: "POST", path: "/v1/sandboxes", headers, signal });
    call.on("response", (response) => response.on("error", () => undefined).resume());
    call.on("error", () => undefined);
    call.on("close", () => resolve());
    call.end(body);
  });
}
