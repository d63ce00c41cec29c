import { createHash, createHmac, randomInt } from "node:crypto";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Api, Loose } from "../support/api.js";
import { flipByte } from "../support/bytes.js";
import { refusal, restore, save, shell } from "../support/captures.js";
import { type DaemonProcess, machineProcesses, startDaemon, stopped } from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let daemon: DaemonProcess;
let api: Api;
let one: Loose;
let two: Loose;
let source: string;
/** As it is when nothing was changed. */
let ledger: string;
const root = () => join(made.home, "snapshots");
const key = () => join(made.home, "keys", "snapshot.key");
const part = (snapshot: Loose, name: string) => join(root(), snapshot.id, name);

beforeAll(async () => {
  made = makeHome();
  daemon = await startDaemon(made.home);
  api = daemon.api;
  // Detached: it outlives the daemons that have to read a changed ledger.
  source = (await api.create({ name: "source", detach: true, ttl_seconds: 3600 })).info.id;
  await shell(api, source, "echo first > ~/file");
  one = await save(api, source, "one");
  await shell(api, source, "echo second > ~/file");
  two = await save(api, source, "two");
});
beforeEach(() => {
  ledger = readFileSync(join(root(), "ledger.json"), "utf8");
});
afterEach(async () => {
  expect((await api.sandboxes()).map(({ id }) => id)).toEqual([source]);
  expect(new Set(machineProcesses(made.home).map(({ owner }) => owner))).toEqual(new Set([source]));
  expect(await shell(api, source, "cat ~/file")).toBe("second");
  expect(await verified("one"), "put right again").toBe(true);
});
afterAll(async () => {
  await api.json("DELETE", `/v1/sandboxes/${source}`);
  await stopped(daemon);
  made.remove();
});

const verified = async (ref: string) => (await api.json("POST", `/v1/snapshots/${ref}/verify`, {})).body.ok;
const refused = (ref = "one") => refusal(api, "POST", `/v1/snapshots/${ref}/restore`);

/** Runs a test while a file or directory of a snapshot is something else, and puts the right one back. */
async function instead(path: string, put: () => void, work: () => Promise<void>): Promise<void> {
  renameSync(path, `${path}.away`);
  try {
    put();
    await work();
  } finally {
    rmSync(path, { recursive: true, force: true });
    renameSync(`${path}.away`, path);
  }
}

async function restart(): Promise<void> {
  await daemon.kill();
  daemon = await startDaemon(made.home);
  api = daemon.api;
}

describe("X-01 a flipped byte is refused before anything starts", () => {
  it.each(["memory", "state", "disk.qcow2", "base.raw", "env.json", "manifest.json"])("in %s", async (name) => {
    const { size } = statSync(part(one, name));
    for (const at of new Set([0, Math.floor(size / 2), size - 1, randomInt(size)])) {
      flipByte(part(one, name), at);
      const error = await refused();
      expect(error.code, `${name} at ${at}`).toBe("SNAPSHOT_MISMATCH");
      expect(error.message).toContain(name === "manifest.json" ? "manifest" : `part "${name}" is changed`);
      flipByte(part(one, name), at);
    }
    flipByte(part(one, name), 1);
    expect((await refusal(api, "POST", "/v1/snapshots/one/verify")).code).toBe("SNAPSHOT_MISMATCH");
    flipByte(part(one, name), 1);
  });
});

describe("X-02 what was sealed is one whole", () => {
  it.each(["memory", "state", "disk.qcow2"])("%s of another snapshot of the same sandbox", async (name) => {
    await instead(
      part(one, name),
      () => linkSync(part(two, name), part(one, name)),
      async () => {
        expect(await refused()).toMatchObject({ code: "SNAPSHOT_MISMATCH", context: { part: name } });
      },
    );
  });

  it("a whole other snapshot under this one's name", async () => {
    await instead(
      join(root(), one.id),
      () => void execFileSync("cp", ["-al", join(root(), two.id), join(root(), one.id)]),
      async () => expect((await refused()).code).toBe("SNAPSHOT_MISMATCH"),
    );
  });

  it("an older capture of a cold sandbox in place of the newer, until the right one is back", async () => {
    const { info } = await api.create({ name: "cold", detach: true, ttl_seconds: 600 });
    const cold = join(made.home, "sandboxes", info.id, "cold");
    const older = join(made.home, "older");
    expect((await api.json("POST", "/v1/sandboxes/cold/cold")).body.state).toBe("cold");
    copy(cold, older);
    expect((await api.json("POST", "/v1/sandboxes/cold/resume")).body.state).toBe("running");
    await shell(api, "cold", "echo newer > ~/file");
    expect((await api.json("POST", "/v1/sandboxes/cold/cold")).body.state).toBe("cold");
    renameSync(cold, `${older}-new`);
    copy(older, cold);
    const error = await refusal(api, "POST", "/v1/sandboxes/cold/resume");
    expect(error.code).toBe("SNAPSHOT_MISMATCH");
    expect(error.message).toMatch(/epoch \d+, the valid one in epoch \d+/);
    rmSync(cold, { recursive: true });
    renameSync(`${older}-new`, cold);
    expect((await api.json("POST", "/v1/sandboxes/cold/resume")).body.state).toBe("running");
    expect(await shell(api, "cold", "cat ~/file")).toBe("newer");
    await api.json("DELETE", "/v1/sandboxes/cold");
    rmSync(older, { recursive: true });
  });

  it.each([
    ["edited", () => edit(join(root(), "ledger.json"), (text) => text.replace(`"epoch":${one.epoch}`, '"epoch":99'))],
    ["removed", () => rmSync(join(root(), "ledger.json"))],
    ["of another key", () => writeFileSync(key(), Buffer.alloc(32, 7), { mode: 0o600 })],
    ["with a key that others can read", () => chmodSync(key(), 0o644)],
  ])("the ledger %s: no snapshot is believed, and the source goes on", async (_what, damage) => {
    const right = readFileSync(key());
    damage();
    await restart();
    expect(["SNAPSHOT_MISMATCH", "SNAPSHOT_FAILED"]).toContain((await refused(one.id)).code);
    writeFileSync(key(), right);
    chmodSync(key(), 0o600);
    writeFileSync(join(root(), "ledger.json"), ledger);
    await restart();
  });
});

describe("X-03 X-05 parts that are no files of their own", () => {
  it.each<[string, (path: string) => void]>([
    ["missing", () => undefined],
    ["a link to the same bytes", (path) => symlinkSync(`${path}.away`, path)],
    ["a link to nowhere", (path) => symlinkSync("/nowhere", path)],
    ["a FIFO", (path) => void execFileSync("mkfifo", [path])],
    ["a directory", (path) => mkdirSync(path)],
    ["empty", (path) => writeFileSync(path, "")],
    ["another file under a second name", (path) => linkSync(path.replace(one.id, two.id), path)],
  ])("%s", async (_what, put) => {
    for (const name of ["memory", "disk.qcow2", "manifest.json"]) {
      const path = part(one, name);
      await instead(
        path,
        () => put(path),
        async () => expect((await refused()).code, name).toBe("SNAPSHOT_MISMATCH"),
      );
    }
  });
});

describe("X-04 another host is named, even where the seal is right", () => {
  it.each([
    ["qemu_version", "0.0.1", "QEMU's version", "BACKEND_UNSUPPORTED"],
    ["topology_sha256", "0".repeat(64), "the machine's devices", "BACKEND_UNSUPPORTED"],
    ["cpu_model", "486", "the CPU model", "BACKEND_UNSUPPORTED"],
    ["accel", "kvm", "", "BACKEND_UNSUPPORTED"],
    ["format", 99, "the format of snapshots", "BACKEND_UNSUPPORTED"],
  ])("%s", async (field, value, words, code) => {
    const manifest = readFileSync(part(one, "manifest.json"), "utf8");
    reseal(one, (changed) => (changed.compatibility[field] = value));
    await restart();
    const error = await refused();
    expect([error.code, error.outcome]).toEqual([code, "not_started"]);
    expect(error.message).toContain(words);
    writeFileSync(part(one, "manifest.json"), manifest);
    writeFileSync(join(root(), "ledger.json"), ledger);
    await restart();
  });
});

// The last of the file: it removes them.
it("what is left is as good as new: two restores, and both go away without a trace", async () => {
  for (const [ref, content] of [
    ["one", "first"],
    ["two", "second"],
  ] as const) {
    const { info, lease } = await restore(api, ref);
    expect(await shell(api, info.id, "cat ~/file")).toBe(content);
    lease.abort();
  }
  await expect.poll(async () => (await api.sandboxes()).length, { timeout: 20_000 }).toBe(1);
  for (const ref of ["one", "two"]) expect((await api.json("DELETE", `/v1/snapshots/${ref}`)).body.removed).toBe(true);
  expect(readdirSync(root())).toEqual(["ledger.json"]);
  ({ id: one.id } = await save(api, source, "one"));
});

/** The memory is mostly holes, which a plain copy would fill. */
function copy(from: string, to: string): void {
  execFileSync("cp", ["-a", "--sparse=always", from, to]);
}

function edit(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, "utf8")));
}

/** Changes a manifest and seals it again as the owner of the key could: what is left is the comparison with the host. */
function reseal(snapshot: Loose, change: (manifest: Loose) => void): void {
  const seal = (record: Loose): string => {
    const { seal: _old, ...rest } = record;
    const text = stable({ ...rest });
    return stable({ ...rest, seal: createHmac("sha256", readFileSync(key())).update(text).digest("hex") });
  };
  const manifest = JSON.parse(readFileSync(part(snapshot, "manifest.json"), "utf8"));
  change(manifest);
  const sealed = seal(manifest);
  writeFileSync(part(snapshot, "manifest.json"), sealed);
  const entries = JSON.parse(ledger);
  entries.entries[snapshot.id].manifest_sha256 = createHash("sha256").update(sealed).digest("hex");
  writeFileSync(join(root(), "ledger.json"), seal(entries));
}

/** JSON with sorted keys, as docs/snapshots.md says a seal is over. */
function stable(value: Loose): string {
  if (Array.isArray(value)) return `[${value.map(stable).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.keys(value).sort();
  return `{${fields.map((field) => `${JSON.stringify(field)}:${stable(value[field])}`).join(",")}}`;
}
