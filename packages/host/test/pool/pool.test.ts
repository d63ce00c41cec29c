import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PoolInfo } from "@mvm/protocol";
import { expect, test } from "vitest";
import { openImages } from "../../src/images/image-access.js";
import { Meters } from "../../src/observe/meters.js";
import { pressureOf } from "../../src/pool/pressure.js";
import { findByCookie } from "../../src/processes/find-by-cookie.js";
import { killIfSame } from "../../src/processes/identity.js";
import { temporaryHome, testDaemon, type TestDaemon } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";

const shape = { image: "python", cpu: 1, memory_mb: 512, disk_mb: 2048 };
/** What a create without options asks for: pools serve exactly the shape that is asked for. */
const asked = { accel: "auto" } as const;

const directories = (home: string): string[] => readdirSync(join(home, "sandboxes")).sort();

async function pools({ api }: TestDaemon): Promise<PoolInfo[]> {
  return (await api.json("GET", "/v1/pools")).body.pools as PoolInfo[];
}

async function filled(given: TestDaemon, ready: number): Promise<void> {
  for (;;) {
    const [pool] = await pools(given);
    if (pool?.ready === ready && pool.making === 0) return;
    await sleep(10);
  }
}

async function withPool(size: number, options: Parameters<typeof testDaemon>[0] = {}): Promise<TestDaemon> {
  const given = await testDaemon(options);
  expect((await given.api.json("POST", "/v1/pools", { ...shape, size })).status).toBe(200);
  await filled(given, size);
  return given;
}

test("machines wait, each becomes one sandbox, and another takes its place", async () => {
  const given = await withPool(2);
  const { api, home } = given;
  const waiting = directories(home);
  expect(waiting).toHaveLength(2);
  expect((await api.json("GET", "/v1/sandboxes")).body.sandboxes).toEqual([]);
  const first = await api.stream("POST", "/v1/sandboxes", { ...asked, name: "one", env: { A: "1" }, tags: { t: "x" } });
  const created = await first.until("created");
  expect(created).toMatchObject({
    timings: { start: "pool" },
    sandbox: { name: "one", state: "running", tags: { t: "x" } },
  });
  expect(waiting).toContain(created["sandbox"].id);
  const second = await api.stream("POST", "/v1/sandboxes", asked);
  expect((await second.until("created"))["sandbox"].id).not.toBe(created["sandbox"].id);
  const run = await api.lines("POST", "/v1/sandboxes/one/processes", { argv: ["echo", "hi"] });
  expect(run.at(-1)?.["result"].stdout).toBe("hi\n");
  await filled(given, 2);
  expect((await pools(given))[0]).toMatchObject({ claimed: 2, missed: 0, problem: null });
  expect(directories(home)).toHaveLength(4);
});

test("another shape is not served by the pool", async () => {
  const given = await withPool(1);
  const stream = await given.api.stream("POST", "/v1/sandboxes", { ...asked, memory_mb: 256 });
  expect((await stream.until("created"))["timings"].start).toBe("template");
  expect((await pools(given))[0]).toMatchObject({ ready: 1, claimed: 0 });
});

test("a machine that died while it waited is replaced; one that dies at its claim costs only time", async () => {
  const given = await withPool(1);
  const [dead] = directories(given.home) as [string];
  for (const found of findByCookie(new Set([dead])).get(dead) ?? []) killIfSame(found);
  const stream = await given.api.stream("POST", "/v1/sandboxes", { ...asked, name: "alive" });
  expect((await stream.until("created"))["sandbox"].id).not.toBe(dead);
  await filled(given, 1);
  expect(directories(given.home)).not.toContain(dead);
});

test("a name that is taken costs a waiting machine nothing but itself", async () => {
  const given = await withPool(1);
  await (await given.api.stream("POST", "/v1/sandboxes", { ...asked, name: "taken", memory_mb: 256 })).until("created");
  const refused = await given.api.json("POST", "/v1/sandboxes", { ...asked, name: "taken" });
  expect(refused.body.error.code).toBe("NAME_TAKEN");
  await filled(given, 1);
  expect(directories(given.home)).toHaveLength(2);
});

test("size 0 ends the pool and its machines", async () => {
  const given = await withPool(2);
  const ids = new Set(directories(given.home));
  await given.api.json("POST", "/v1/pools", { ...shape, size: 0 });
  expect(await pools(given)).toEqual([]);
  while (directories(given.home).length > 0) await sleep(10);
  expect([...findByCookie(ids).keys()]).toEqual([]);
  expect((await given.api.json("POST", "/v1/pools", { ...shape, size: 0 })).body.error.code).toBe("INVALID_ARGUMENT");
});

test("gc leaves waiting machines alone, and a stopping daemon leaves none", async () => {
  const home = temporaryHome();
  const given = await withPool(1, { home });
  expect((await given.api.json("POST", "/v1/gc", {})).body.removed).toEqual([]);
  const ids = new Set(directories(home));
  await given.daemon.close();
  expect([...findByCookie(ids).keys()]).toEqual([]);
  expect(directories(home)).toEqual([]);
  // The next daemon fills it again.
  const next = await testDaemon({ home });
  await filled(next, 1);
});

test("gc leaves the directory of a machine alone that is still being made while its pool is ended", async () => {
  let goOn = (): void => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const given = await testDaemon({ backend: processBackend({ beforeSpawn: () => gate }) });
  const { api, home } = given;
  await api.json("POST", "/v1/pools", { ...shape, size: 1 });
  while (directories(home).length === 0) await sleep(10);
  const ended = api.json("POST", "/v1/pools", { ...shape, size: 0 });
  while ((await pools(given)).length > 0) await sleep(10);
  expect((await api.json("POST", "/v1/gc", { dry_run: true })).body.removed).toEqual([]);
  goOn();
  expect((await ended).status).toBe(200);
  expect(directories(home)).toEqual([]);
});

test("a pool of an image that does not exist is refused", async () => {
  const home = temporaryHome();
  const images = openImages(home, new Meters());
  const { api } = await testDaemon({ home, options: { images } });
  const { status, body } = await api.json("POST", "/v1/pools", { ...shape, image: "nope", size: 1 });
  expect({ status, code: body.error.code }).toEqual({ status: 404, code: "ASSET_NOT_FOUND" });
  expect((await api.json("GET", "/v1/pools")).body.pools).toEqual([]);
});

test("a pool that cannot be filled says why, and sandboxes start without it", async () => {
  let broken = true;
  const backend = processBackend({
    beforeSpawn: () => (broken ? Promise.reject(new Error("no machine today")) : Promise.resolve()),
  });
  const given = await testDaemon({ backend });
  await given.api.json("POST", "/v1/pools", { ...shape, size: 1 });
  while ((await pools(given))[0]?.problem == null) await sleep(10);
  expect(directories(given.home)).toEqual([]);
  broken = false;
  expect((await (await given.api.stream("POST", "/v1/sandboxes", asked)).until("created"))["timings"].start).toBe(
    "template",
  );
});

test("machines are given up one by one while the host is short of memory", async () => {
  const host: { short?: string } = {};
  const given = await testDaemon({ options: { memoryPressure: () => host.short } });
  await given.api.json("POST", "/v1/pools", { ...shape, size: 2 });
  await filled(given, 2);
  host.short = "the test says so";
  await filled(given, 0);
  expect((await pools(given))[0]).toMatchObject({ size: 2, ready: 0, problem: "the test says so" });
});

test("what counts as pressure", () => {
  expect(pressureOf({ availableMb: 4000, fullAvg10: 0 }, 512)).toBeUndefined();
  expect(pressureOf({ availableMb: 1023, fullAvg10: 0 }, 512)).toContain("1023 MiB");
  expect(pressureOf({ availableMb: 4000, fullAvg10: 10 }, 512)).toContain("10 %");
});
