import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import {
  checkHome,
  machineProcesses,
  machinesGone,
  spawnDaemon,
  startDaemon,
  stopped,
  type DaemonProcess,
} from "../support/daemon.js";
import { refusal, shell } from "../support/captures.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let home: string;
let daemon: DaemonProcess;
const disk = () => `${home}.ext4`;
beforeAll(async () => {
  // A home that has its template, on a file system of its own that can be filled.
  made = makeHome();
  const first = await startDaemon(made.home);
  const { info, lease } = await first.api.create();
  lease.abort();
  await stopped(first);
  home = mkdtempSync(join(tmpdir(), "mvm-full-"));
  // Not a tmpfs: there, even reading a hole of a mapped file takes a page.
  execFileSync("truncate", ["-s", "900M", disk()]);
  execFileSync("mkfs.ext4", ["-q", "-m", "0", disk()]);
  execFileSync("mount", ["-o", "loop", disk(), home]);
  chmodSync(home, 0o700);
  const { digest } = JSON.parse(readFileSync(join(made.home, "images/refs/python.json"), "utf8"));
  const wanted = ["kernels", "boot", "cache", "images/refs/python.json", `templates/${info.template}`];
  for (const path of [...wanted, ...["erofs", "json"].map((end) => `images/${digest.slice(7)}.${end}`)]) {
    mkdirSync(join(home, path, ".."), { recursive: true, mode: 0o700 });
    execFileSync("cp", ["-a", "--sparse=always", join(made.home, path), join(home, path)]);
  }
  daemon = await startDaemon(home);
});
afterEach(async () => {
  release();
  for (const { id } of await daemon.api.sandboxes()) await daemon.api.json("DELETE", `/v1/sandboxes/${id}`);
  await checkHome(home, daemon.api);
});
afterAll(async () => {
  await stopped(daemon);
  execFileSync("umount", [home]);
  rmSync(home, { recursive: true });
  rmSync(disk());
  made.remove();
});

const ballast = () => join(home, "ballast");
/** Takes the last byte there is, but for some room. KiB. */
function fill(room = 0): void {
  const spare = join(home, "spare");
  writeFileSync(spare, Buffer.alloc(room << 10, 1));
  fillUp();
  rmSync(spare);
}

function fillUp(): void {
  const file = openSync(ballast(), "w");
  for (const size of [1 << 20, 4096, 1]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(size));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC");
    }
  }
  closeSync(file);
}
const release = () => rmSync(ballast(), { force: true });

it("D-08 R-09 a disk that is full: typed errors, what runs goes on, what ends, ends", async () => {
  const { info } = await daemon.api.create({ name: "kept", detach: true, ttl_seconds: 600 });
  const other = (await daemon.api.create({ name: "other", detach: true, ttl_seconds: 600 })).info;
  await shell(daemon.api, "other", "sync");
  // There is room to record what is asked for, and none to do it.
  fill(64);
  const create = { detach: true, ttl_seconds: 60 };
  expect(await refusal(daemon.api, "POST", "/v1/sandboxes", create)).toMatchObject({
    code: "VM_CAPACITY",
    outcome: "not_started",
  });
  // There is no room even for that: what is not recorded does not happen.
  fill();
  const run = { sandbox: {}, command: { argv: ["true"] } };
  for (const [path, body] of [
    ["sandboxes", {}],
    ["sandboxes", create],
    ["runs", run],
  ] as const) {
    const error = await refusal(daemon.api, "POST", `/v1/${path}`, body);
    expect(error).toMatchObject({ code: "AUDIT_UNAVAILABLE", outcome: "not_started" });
  }
  const ttl = await daemon.api.json("PUT", "/v1/sandboxes/kept/ttl", { ttl_seconds: 50 });
  expect(ttl.body.error.code).toBe("AUDIT_UNAVAILABLE");
  const now = (await daemon.api.sandboxes()).find(({ id }) => id === info.id);
  expect([now.state, now.expires_at]).toEqual(["running", info.expires_at]);
  expect(new Set(machineProcesses(home).map(({ owner }) => owner))).toEqual(new Set([info.id, other.id]));
  for (const path of ["/v1/sandboxes", "/v1/doctor"]) expect((await daemon.api.json("GET", path)).status).toBe(200);

  // Ending is what makes room: it must work without any.
  expect((await daemon.api.json("POST", "/v1/sandboxes/other/stop")).body.state).toBe("stopped");
  expect((await daemon.api.json("DELETE", "/v1/sandboxes/other")).body.destroyed).toBe(true);
  await machinesGone(home, [info.id]);
  expect(readdirSync(join(home, "sandboxes"))).toEqual([info.id]);
  release();
  expect((await daemon.api.exec("kept", ["echo", "alive"])).stdout).toBe("alive\n");
  const { info: again, lease } = await daemon.api.create();
  expect((await daemon.api.exec(again.id, ["echo", "room"])).stdout).toBe("room\n");
  lease.abort();
});

it("D-08 a detached sandbox whose time is over ends on a full disk too", async () => {
  const { info } = await daemon.api.create({ detach: true, ttl_seconds: 600 });
  await daemon.api.json("PUT", `/v1/sandboxes/${info.id}/ttl`, { ttl_seconds: 3 });
  fill();
  await machinesGone(home);
  release();
});

it("X-07 D-08 a disk that fills while a machine is saved: the source goes on, and nothing is left of it", async () => {
  const { info } = await daemon.api.create({ name: "kept", detach: true, ttl_seconds: 600 });
  await shell(daemon.api, "kept", "echo in memory > /dev/shm/memory; echo on disk > ~/disk");
  mkdirSync(join(home, "snapshots"), { recursive: true, mode: 0o700 });
  const failed = ["VM_CAPACITY", "SNAPSHOT_FAILED"];
  // The first cannot even be recorded, the second fails in the middle of the memory.
  for (const [room, codes] of [
    [0, ["AUDIT_UNAVAILABLE"]],
    [20 << 10, failed],
  ] as const) {
    fill(room);
    for (const verb of ["snapshots", "fork", "cold"]) {
      const error = await refusal(daemon.api, "POST", `/v1/sandboxes/kept/${verb}`, {});
      expect(codes, `${verb}: ${error.message}`).toContain(error.code);
    }
    release();
    expect(await shell(daemon.api, "kept", "cat /dev/shm/memory ~/disk")).toBe("in memory\non disk");
    expect(readdirSync(join(home, "snapshots")).filter((name) => name !== "ledger.json")).toEqual([]);
    expect(readdirSync(join(home, "sandboxes", info.id)).filter((name) => name.startsWith("cold"))).toEqual([]);
    expect(readdirSync(join(home, "sandboxes", info.id, "vm"))).not.toContain("capture");
  }
  expect((await daemon.api.json("POST", "/v1/sandboxes/kept/cold")).body.state).toBe("cold");
  fill();
  // A cold one is what takes room: deleting it must work without any.
  expect((await daemon.api.json("DELETE", "/v1/sandboxes/kept")).body.destroyed).toBe(true);
  release();
  expect(readdirSync(join(home, "sandboxes"))).toEqual([]);
});

it("D-08 a daemon that starts on a full disk serves, or says why not; then order is made", async () => {
  const { info } = await daemon.api.create({ detach: true, ttl_seconds: 600 });
  await daemon.api.create();
  await daemon.kill();
  fill();
  const next = spawnDaemon(home);
  const end = await Promise.race([next.ended, startsToServe(next)]);
  expect(end === "serves" || typeof end === "number").toBe(true);
  release();
  if (end === "serves") await stopped(next);
  daemon = await startDaemon(home);
  expect((await checkHome(home, daemon.api)).map(({ id, state }) => [id, state])).toEqual([[info.id, "running"]]);
  expect((await daemon.api.exec(info.id, ["echo", "alive"])).stdout).toBe("alive\n");
});

async function startsToServe(started: DaemonProcess): Promise<"serves"> {
  for (;;) {
    const answer = await started.api.json("GET", "/v1/version").catch(() => undefined);
    if (answer?.body.pid === started.pid) return "serves";
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
