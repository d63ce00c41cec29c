import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Api } from "../support/api.js";
import { fork, refusal, restore, save, shell } from "../support/captures.js";
import { checkHome, type DaemonProcess, startDaemon, stopped } from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let daemon: DaemonProcess;
let api: Api;
let source: string;
beforeAll(async () => {
  made = makeHome();
  daemon = await startDaemon(made.home);
  api = daemon.api;
  source = (await api.create({ name: "source", env: { GREETING: "hello" }, tags: { team: "a" } })).info.id;
});
afterAll(async () => {
  await stopped(daemon);
  made.remove();
});

const snapshots = async () => (await api.json("GET", "/v1/snapshots")).body.snapshots;
const remove = (ref: string) => api.json("DELETE", `/v1/snapshots/${ref}`);
const processes = async (ref: string) => (await api.json("GET", `/v1/sandboxes/${ref}/processes`)).body.processes;

/** What no two machines may have in common, and what both must have. */
const identity =
  "cat /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | od -An -tx1; hostname; cat /etc/machine-id; date +%s; echo $GREETING; cat /dev/shm/memory; cat ~/disk";

it("X-08 what is restored goes on with memory, disk and environment, and shares nothing that must differ", async () => {
  await shell(api, source, "echo in memory > /dev/shm/memory; echo on disk > ~/disk");
  const snapshot = await save(api, source, "base");
  expect(snapshot).toMatchObject({ name: "base", frozen: true, sandbox: { id: source, name: "source" } });
  expect(snapshot.labels).toContain("sensitive");
  expect(snapshot.labels).toContain("may-contain-secrets");
  expect(snapshot.parts.map(({ name }: { name: string }) => name)).toEqual([
    ...["memory", "state", "disk.qcow2", "base.raw", "env.json"],
  ]);
  expect((await snapshots()).map(({ id }: { id: string }) => id)).toEqual([snapshot.id]);
  // Time passes that a clone has to be told of, and the source goes on meanwhile.
  expect(await shell(api, source, "sleep 2; echo changed > ~/disk; cat /dev/shm/memory")).toBe("in memory");
  const [one, two] = await Promise.all([restore(api, "base", { name: "one" }), restore(api, snapshot.id)]);
  expect(one.info).toMatchObject({ name: "one", state: "running", tags: { team: "a" }, detached: false });
  const seen = await Promise.all([source, one.info.id, two.info.id].map((id) => shell(api, id, identity)));
  const lines = seen.map((text) => text.split("\n"));
  for (const what of [0, 1, 2, 3]) expect(new Set(lines.map((found) => found[what])).size, `line ${what}`).toBe(3);
  for (const found of lines) {
    expect(Math.abs(Number(found[4]) - Date.now() / 1000)).toBeLessThan(10);
    expect(found.slice(5, 7)).toEqual(["hello", "in memory"]);
  }
  expect(lines.map((found) => found[7])).toEqual(["changed", "on disk", "on disk"]);
  expect(lines[1]?.[2]).toBe("one");
  // The snapshot outlives what was made of it, and the other way round.
  one.lease.abort();
  const verdict = (await api.json("POST", "/v1/snapshots/base/verify", {})).body;
  expect(verdict).toMatchObject({ ok: true, snapshot: snapshot.id });
  // Its files are sparse: what was read is less than what they seem to be.
  const apparent = snapshot.parts.reduce((sum: number, { bytes }: { bytes: number }) => sum + bytes, 0);
  expect(verdict.bytes).toBeGreaterThan(0);
  expect(verdict.bytes).toBeLessThan(apparent / 2);
  expect((await remove("base")).body).toEqual({ removed: true });
  expect(
    await shell(
      api,
      two.info.id,
      "cat /dev/shm/memory ~/disk; dd if=/dev/zero of=big bs=1M count=8 2>&1 >/dev/null; sync; ls",
    ),
  ).toContain("big");
  two.lease.abort();
});

it("X-09 commands in flight go on in the source, and in the clone as processes of nobody", async () => {
  const script = "i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo $i > /dev/shm/count; sleep 0.1; done";
  const flight = await api.open("POST", `/v1/sandboxes/${source}/processes`, {
    argv: ["sh", "-c", `${script}; echo end`],
  });
  await flight.until("started");
  const waiting = await api.open("POST", `/v1/sandboxes/${source}/processes`, {
    argv: ["sh", "-c", "sleep 8; echo done"],
  });
  await waiting.until("started");
  const snapshot = await save(api, source);
  const { info, lease } = await restore(api, snapshot.id);
  const found = await processes(info.id);
  expect(found.filter(({ argv }: { argv: string[] }) => argv.join(" ").includes("count")).length).toBe(1);
  const count = async (ref: string) => Number(await shell(api, ref, "cat /dev/shm/count"));
  for (const ref of [info.id, source]) {
    const before = await count(ref);
    await shell(api, ref, "sleep 1");
    expect(await count(ref)).toBeGreaterThan(before);
  }
  expect((await waiting.until("end"))["result"]).toMatchObject({ exit_code: 0, stdout: "done\n" });
  flight.abort();
  lease.abort();
  await remove(snapshot.id);
});

it("what was written in each of five generations is in all that follow", async () => {
  let ref = source;
  let former: { abort(): void } | undefined;
  await shell(api, source, "rm -f ~/generations /dev/shm/generations");
  for (let generation = 1; generation <= 5; generation++) {
    const content = `echo ${generation} | tee -a ~/generations >> /dev/shm/generations`;
    await shell(
      api,
      ref,
      `${content}; head -c 3000000 /dev/urandom > ~/blob${generation}; md5sum ~/blob${generation} >> ~/sums`,
    );
    const snapshot = await save(api, ref);
    const next = await restore(api, snapshot.id);
    former?.abort();
    former = next.lease;
    ref = next.info.id;
    await remove(snapshot.id);
    const all = Array.from({ length: generation }, (_, at) => at + 1).join("\n");
    expect(await shell(api, ref, "cat ~/generations")).toBe(all);
    expect(await shell(api, ref, "cat /dev/shm/generations")).toBe(all);
  }
  expect(await shell(api, ref, "md5sum -c --quiet ~/sums && echo whole")).toBe("whole");
  former?.abort();
});

it("names: clashes, forms and unknown ones are refused and leave nothing", async () => {
  const { id } = await save(api, source, "taken");
  const refuse = async (method: string, path: string, body?: object) => {
    return (await refusal(api, method, path, body)).code as string;
  };
  const saving = `/v1/sandboxes/${source}/snapshots`;
  expect(await refuse("POST", saving, { name: "taken" })).toBe("NAME_TAKEN");
  expect(await refuse("POST", saving, { name: id })).toBe("INVALID_ARGUMENT");
  expect(await refuse("POST", saving, { name: "../x" })).toBe("INVALID_ARGUMENT");
  expect(await refuse("POST", "/v1/sandboxes/nobody/snapshots")).toBe("SANDBOX_NOT_FOUND");
  for (const [method, path] of [
    ["GET", ""],
    ["DELETE", ""],
    ["POST", "/verify"],
    ["POST", "/restore"],
  ] as const)
    expect(await refuse(method, `/v1/snapshots/nobody${path}`, method === "POST" ? {} : undefined)).toBe(
      "SNAPSHOT_NOT_FOUND",
    );
  expect(await refuse("POST", "/v1/snapshots/taken/restore", { name: "source" })).toBe("NAME_TAKEN");
  expect(await refuse("POST", `/v1/sandboxes/${source}/fork`, { count: 2, names: ["a", "source"] })).toBe("NAME_TAKEN");
  await remove("taken");
  expect((await checkHome(made.home, api)).map(({ name }) => name)).toEqual(["source"]);
  expect(readdirSync(join(made.home, "snapshots"))).toEqual(["ledger.json"]);
});

it("X-08 forks share what was, see nothing of each other afterwards, and end with the connection they share", async () => {
  await shell(api, source, "echo shared > /dev/shm/memory; echo shared > ~/disk");
  const { infos, lease } = await fork(api, source, { count: 3, tags: { kind: "fork" } });
  expect(infos.map(({ tags }) => tags)).toEqual(infos.map(() => ({ team: "a", kind: "fork" })));
  const ids = infos.map(({ id }) => id as string);
  const seen = (await Promise.all([source, ...ids].map((id) => shell(api, id, identity)))).map((text) =>
    text.split("\n"),
  );
  for (const what of [0, 1, 2, 3]) expect(new Set(seen.map((found) => found[what])).size, `line ${what}`).toBe(4);
  for (const found of seen) expect(found.slice(5)).toEqual(["hello", "shared", "shared"]);
  await Promise.all(ids.map((id) => shell(api, id, `echo ${id} > /dev/shm/memory; echo ${id} > ~/disk; sync`)));
  for (const id of ids) expect(await shell(api, id, "cat /dev/shm/memory ~/disk")).toBe(`${id}\n${id}`);
  expect(await shell(api, source, "cat /dev/shm/memory ~/disk")).toBe("shared\nshared");
  lease.abort();
  await expect.poll(async () => (await api.sandboxes()).length, { timeout: 20_000 }).toBe(1);
  expect(readdirSync(join(made.home, "snapshots"))).toEqual(["ledger.json"]);
});

it("X-12 prune keeps what its bounds say, and does nothing without one or when asked what it would do", async () => {
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.push((await save(api, source)).id);
  const prune = async (body: object) => {
    const { status, body: answer } = await api.json("POST", "/v1/snapshots/prune", body);
    return status === 200 ? answer.snapshots.map(({ id }: { id: string }) => id) : answer.error.code;
  };
  expect(await prune({})).toBe("INVALID_ARGUMENT");
  expect(await prune({ keep_last: 1, dry_run: true })).toEqual(ids.slice(0, 2));
  expect((await snapshots()).length).toBe(3);
  expect(await prune({ keep_last: 1, sandbox: "another" })).toEqual([]);
  expect(await prune({ keep_last: 2 })).toEqual(ids.slice(0, 1));
  expect(await prune({ quota_bytes: 0 })).toEqual(ids.slice(1));
  expect(readdirSync(join(made.home, "snapshots"))).toEqual(["ledger.json"]);
});
