import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { checkHome, eventually, machinesGone, startDaemon, stopped, type DaemonProcess } from "../support/daemon.js";
import { machinesOf, makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let daemon: DaemonProcess;
let offered: boolean;
beforeAll(async () => {
  made = makeHome();
  daemon = await startDaemon(made.home);
  const { body } = await daemon.api.json("GET", "/v1/backends");
  offered = body.backends[0].features["confinement.cgroup"].startsWith("yes");
});
// Where the host offers no groups, `doctor` says so, and that is all there is to test.
beforeEach((context) => void (offered || context.skip()));
afterAll(async () => {
  await stopped(daemon);
  made.remove();
});

const records = () => join(made.home, "run", "cgroups");
const groupsOf = (id: string): string[] => JSON.parse(readFileSync(join(records(), id), "utf8")).directories;
const nothingLeft = (groups: string[]) =>
  eventually(
    "the groups are gone",
    () => !groups.some((path) => existsSync(path)) && readdirSync(records()).length === 0,
  );

it("G-02 the host's kernel bounds the memory and the processes of a machine; its group ends with it", async () => {
  const { info, lease } = await daemon.api.create();
  const groups = groupsOf(info.id);
  const [qemu] = machinesOf(made.home);
  for (const group of groups)
    expect(readFileSync(join(group, "cgroup.procs"), "utf8").split("\n")).toContain(`${qemu}`);
  const limit = (names: string[]) =>
    groups
      .flatMap((group) => names.map((name) => join(group, name)))
      .filter((path) => existsSync(path))
      .map((path) => Number(readFileSync(path, "utf8")));
  expect(limit(["memory.max", "memory.limit_in_bytes"])).toEqual([1024 ** 3]);
  expect(limit(["pids.max"])).toEqual([127]);
  lease.abort();
  await nothingLeft(groups);
});

it("a machine that takes more than it is allowed is ended by the host: failed, reason oom, nothing left", async () => {
  const { info } = await daemon.api.create({ detach: true, ttl_seconds: 300 });
  const groups = groupsOf(info.id);
  const file = (names: string[]) =>
    groups.flatMap((group) => names.map((name) => join(group, name))).find((path) => existsSync(path))!;
  // Less than the guest may have, as if QEMU had taken the rest for itself.
  const used = Number(readFileSync(file(["memory.current", "memory.usage_in_bytes"]), "utf8"));
  writeFileSync(file(["memory.max", "memory.limit_in_bytes"]), String(used + 32 * 1024 ** 2));
  const greedy = ["python3", "-c", "b = bytearray(300 * 1024 ** 2)"];
  const last = (await daemon.api.lines("POST", `/v1/sandboxes/${info.id}/processes`, { argv: greedy })).at(-1)!;
  expect(last["error"]).toMatchObject({ outcome: "unknown" });
  await eventually("it has failed", async () => (await daemon.api.sandboxes())[0]?.["state"] === "failed");
  expect((await daemon.api.sandboxes())[0]).toMatchObject({ state: "failed", reason: "oom" });
  await nothingLeft(groups);
  await daemon.api.json("DELETE", `/v1/sandboxes/${info.id}`);
});

it("D-01 a killed daemon's groups end with their machines; that of a detached one is taken over", async () => {
  const attached = await daemon.api.create();
  const detached = await daemon.api.create({ detach: true, ttl_seconds: 300 });
  const [gone, kept] = [groupsOf(attached.info.id), groupsOf(detached.info.id)];
  await daemon.kill();
  await machinesGone(made.home, [detached.info.id]);
  daemon = await startDaemon(made.home);
  await checkHome(made.home, daemon.api);
  expect(gone.filter((path) => existsSync(path))).toEqual([]);
  expect(kept.filter((path) => existsSync(path))).toEqual(kept);
  expect(readdirSync(records())).toEqual([detached.info.id]);
  await daemon.api.json("DELETE", `/v1/sandboxes/${detached.info.id}`);
  await nothingLeft(kept);
});
