import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { faultPoints } from "@mvm/host";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Api } from "../support/api.js";
import { checkHome, eventually, machineProcesses, machinesGone, startDaemon, stopped } from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let survived = 0;
beforeAll(async () => {
  made = makeHome();
  // Makes the template, so that no crash is spent on it: that has a test of its own.
  const daemon = await startDaemon(made.home);
  (await daemon.api.create()).lease.abort();
  await stopped(daemon);
});
afterAll(() => {
  console.log(`crash points survived on real machines: K=${survived}`);
  made.remove();
});

/** Sandboxes are wholly there, and then they work, or wholly gone. Removes them. Returns their states. */
async function settle(api: Api): Promise<string[]> {
  const infos = await checkHome(made.home, api);
  for (const { id, state, detached } of infos) {
    expect(detached, `attached ${id} came back`).toBe(true);
    if (state === "running") expect((await api.exec(id, ["echo", "alive"])).stdout).toBe("alive\n");
    expect((await api.json("DELETE", `/v1/sandboxes/${id}`)).body.destroyed).toBe(true);
  }
  expect(readdirSync(join(made.home, "quarantine"))).toEqual([]);
  await machinesGone(made.home);
  expect(readdirSync(join(made.home, "sandboxes"))).toEqual([]);
  return infos.map(({ state }) => state);
}

/**
 * Kills the daemon at the 1st, 2nd, … time it comes to the point, until the work is done unharmed. Each next daemon has to
 * make order first. Returns what it found after each crash.
 */
async function crashAt(point: string, work: (api: Api) => Promise<unknown>): Promise<string[][]> {
  const found: string[][] = [];
  for (let hit = 1; ; hit++) {
    const doomed = await startDaemon(made.home, { MVM_FAULT: `${point}:${hit}` });
    if (hit > 1) found.push(await settle(doomed.api));
    await Promise.race([work(doomed.api).catch(() => undefined), doomed.ended]);
    if ((await Promise.race([doomed.ended, sleep(100)])) !== "SIGKILL") {
      // Not by a call: it could come to the point as well.
      await doomed.kill();
      const last = await startDaemon(made.home);
      await settle(last.api);
      await stopped(last);
      return found;
    }
    survived += 1;
  }
}

const detached = { name: "kept", detach: true, ttl_seconds: 600 };

it.each(faultPoints.filter((point) => point.startsWith("create.")))(
  "D-01 Q-03 a crash at %s of an attached and of a detached create",
  { timeout: 300_000 },
  async (point) => {
    const found = await crashAt(point, async (api) => {
      await api.create({ ttl_seconds: 600 });
      await api.create(detached);
    });
    expect(found).toEqual([[], point === "create.after-running" ? ["running"] : []]);
  },
);

it("D-01 a crash at every write of a state file of create", { timeout: 300_000 }, async () => {
  const found = await crashAt("store.before-rename", (api) => api.create(detached));
  expect(found).toEqual([[], [], []]);
});

it("D-02 a crash at a write of a running sandbox keeps what was written before, and no half file", async () => {
  const { home } = made;
  const first = await startDaemon(home);
  const { info } = await first.api.create(detached);
  await first.kill();
  const doomed = await startDaemon(home, { MVM_FAULT: "store.before-rename:1" });
  await Promise.race([
    doomed.api.json("PUT", "/v1/sandboxes/kept/ttl", { ttl_seconds: 50 }).catch(() => undefined),
    doomed.ended,
  ]);
  expect(await doomed.ended).toBe("SIGKILL");
  survived += 1;
  const next = await startDaemon(home);
  expect((await next.api.sandboxes())[0]).toMatchObject({ id: info.id, expires_at: info.expires_at });
  await settle(next.api);
  await stopped(next);
});

it.each(["stop.before-kill", "stop.after-kill"])(
  "D-02 a crash at %s keeps the disk of the stopped sandbox",
  { timeout: 300_000 },
  async (point) => {
    const first = await startDaemon(made.home, { MVM_FAULT: `${point}:1` });
    await first.api.create(detached);
    await first.api.exec("kept", ["sh", "-c", "echo precious > file; sync"]);
    await Promise.race([first.api.json("POST", "/v1/sandboxes/kept/stop").catch(() => undefined), first.ended]);
    expect(await first.ended).toBe("SIGKILL");
    survived += 1;
    const next = await startDaemon(made.home);
    await checkHome(made.home, next.api);
    expect((await next.api.sandboxes())[0]).toMatchObject({ name: "kept", state: "stopped" });
    expect((await next.api.json("POST", "/v1/sandboxes/kept/start")).status).toBe(200);
    expect((await next.api.exec("kept", ["cat", "file"])).stdout).toBe("precious\n");
    await settle(next.api);
    await stopped(next);
  },
);

it.each(["destroy.before-kill", "destroy.after-kill", "destroy.after-files"])(
  "D-02 a crash at %s: what was being deleted does not come back",
  { timeout: 300_000 },
  async (point) => {
    const found = await crashAt(point, async (api) => {
      await api.create(detached);
      await api.json("DELETE", "/v1/sandboxes/kept");
    });
    expect(found).toEqual([[]]);
  },
);

it.each(["recover.before-reap", "recover.after-reap", "recover.after-adopt"])(
  "D-02 a crash at %s: recovery is repeated",
  { timeout: 300_000 },
  async (point) => {
    const first = await startDaemon(made.home);
    await first.api.create(detached);
    await first.api.create();
    await first.kill();
    const second = await startDaemon(made.home, { MVM_FAULT: `${point}:1` }).catch(() => undefined);
    expect(second, "it dies before it serves").toBeUndefined();
    survived += 1;
    const third = await startDaemon(made.home);
    expect(await settle(third.api)).toEqual(["running"]);
    await stopped(third);
  },
);

it("Q-06 a daemon killed while it makes a template leaves neither its machine nor a half template", async () => {
  const first = await startDaemon(made.home);
  // A size of its own needs a template of its own.
  first.api.create({ memory_mb: 256 }).catch(() => undefined);
  const making = () => machineProcesses(made.home).filter(({ owner }) => owner.startsWith(".making-"));
  await eventually("the template's machine runs", () => making().length > 0);
  await sleep(500);
  await first.kill();
  await machinesGone(made.home);
  const next = await startDaemon(made.home);
  await settle(next.api);
  await stopped(next);
});
