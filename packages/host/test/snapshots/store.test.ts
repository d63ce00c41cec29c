import { randomInt } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Compatibility, newId, SnapshotError, SnapshotMismatchError } from "@mvm/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { SnapshotStore } from "../../src/snapshots/snapshot-store.js";
import { temporaryHome } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";
import { dataRanges } from "../../src/backends/qemu/disks.js";
import { digestFile } from "../../src/snapshots/digest.js";
import { compatibility, source } from "./fixture.js";

let home: string;
let store: SnapshotStore;
const root = () => join(home, "snapshots");
const open = () => new SnapshotStore(root(), join(home, "keys", "snapshot.key"));
const backend = { ...processBackend(), dataRanges };

beforeEach(() => {
  home = temporaryHome();
  mkdirSync(join(home, "sandboxes"));
  store = open();
});

/** A capture of two small parts, written as a save writes it. */
async function save(name: string | null, text = "memory"): Promise<string> {
  const id = newId("snp");
  const making = store.begin(id);
  writeFileSync(join(making, "memory"), text);
  writeFileSync(join(making, "state"), `state of ${text}`);
  store.commit(making, await manifestOf(id, name, making));
  return id;
}

async function manifestOf(id: string, name: string | null, directory: string) {
  const parts = await Promise.all(
    ["memory", "state"].map((part) => digestFile(join(directory, part), part, dataRanges)),
  );
  const fits: Compatibility = compatibility;
  return {
    ...{ schema_version: 1 as const, id, name, created_at: "2025-01-01T00:00:00Z", frozen: true, labels: [] },
    ...{ memory_offset: 0, compatibility: fits, parts, source },
  };
}

const verify = async (ref: string, fresh = false) => await store.verify(store.open(ref), backend, { fresh });

describe("SnapshotStore", () => {
  it("lists what was saved, oldest first, and knows it again after a restart", async () => {
    const ids = [await save("first"), await save(null), await save("third")];
    store = open();
    store.recover(join(home, "sandboxes"));
    expect(store.list().map(({ id, name, epoch }) => [id, name, epoch])).toEqual([
      [ids[0], "first", 1],
      [ids[1], null, 2],
      [ids[2], "third", 3],
    ]);
    for (const ref of ["first", ids[1]!, "third"]) await verify(ref);
    expect(() => store.open("nobody")).toThrow(expect.objectContaining({ code: "SNAPSHOT_NOT_FOUND" }));
  });

  it("gives a name once, while it is being made too, and again after it is removed", async () => {
    const free = store.reserve("one");
    expect(() => store.reserve("one")).toThrow(expect.objectContaining({ code: "NAME_TAKEN" }));
    free();
    await save("one");
    expect(() => store.reserve("one")).toThrow(expect.objectContaining({ code: "NAME_TAKEN" }));
    expect(await store.remove("one")).toBe(true);
    expect(await store.remove("one")).toBe(false);
    store.reserve("one")();
    expect(() => store.reserve(newId("snp"))).toThrow("that is the form of an id");
  });

  it.each(["memory", "state", "manifest.json"])("X-01 refuses a flipped byte of %s, by name too", async (part) => {
    const id = await save("one");
    const path = join(root(), id, part);
    const bytes = readFileSync(path);
    const at = randomInt(bytes.length);
    bytes[at]! ^= 1;
    writeFileSync(path, bytes);
    for (const ref of ["one", id]) await expect(verify(ref), `byte ${at}`).rejects.toThrow(SnapshotMismatchError);
    expect(await store.remove("one"), "a damaged one can be removed").toBe(true);
    expect(readdirSync(root())).toEqual(["ledger.json"]);
  });

  it("X-02 refuses a part of another snapshot, and an older capture in place of a newer", async () => {
    const [one, two] = [await save("one", "aaaa"), await save("two", "bbbb")];
    renameSync(join(root(), two, "memory"), join(root(), one, "memory"));
    await expect(verify("one")).rejects.toThrow('part "memory" is changed');
    await expect(verify("two")).rejects.toThrow('part "memory" is missing');
    // A cold sandbox is sealed again and again under one id.
    const id = newId("sbx");
    const [old, current] = [join(home, "old"), join(home, "current")];
    for (const directory of [old, current]) {
      mkdirSync(directory);
      writeFileSync(join(directory, "memory"), directory);
      writeFileSync(join(directory, "state"), directory);
      store.vouch(directory, await manifestOf(id, null, directory));
    }
    expect(store.check(id, current, "it").manifest.epoch).toBe(4);
    expect(() => store.check(id, old, "it")).toThrow("it was sealed in epoch 3, the valid one in epoch 4");
    store.forgetSandbox(id);
    expect(() => store.check(id, current, "it")).toThrow("the ledger does not know it");
  });

  it("X-03 refuses missing, truncated and longer parts", async () => {
    const id = await save("one");
    const path = join(root(), id, "memory");
    for (const text of ["memor", "memory ", ""]) {
      writeFileSync(path, text);
      await expect(verify("one")).rejects.toThrow('part "memory" is changed');
    }
    rmSync(path);
    await expect(verify("one")).rejects.toThrow('part "memory" is missing');
  });

  it("reads again what has changed since it was verified, and everything when asked", async () => {
    const id = await save("one");
    await verify("one");
    writeFileSync(join(root(), id, "memory"), "memOry");
    await expect(verify("one")).rejects.toThrow(SnapshotMismatchError);
    await expect(verify("one", true)).rejects.toThrow(SnapshotMismatchError);
  });

  it.each([
    ["an edited ledger", () => edit((text) => text.replace(/"epoch":1/, '"epoch":2'))],
    ["a ledger that is no JSON", () => edit(() => "{")],
    ["an empty ledger", () => edit(() => "")],
    ["another key", () => rmSync(join(home, "keys", "snapshot.key"))],
  ])("X-02 with %s no snapshot is used, and none is removed", async (_what, damage) => {
    await save("one");
    mkdirSync(store.begin(newId("snp")), { recursive: true });
    damage();
    store = open();
    store.recover(join(home, "sandboxes"));
    expect(() => store.open("one")).toThrow(SnapshotMismatchError);
    expect(() => store.list()).toThrow("the ledger that vouches for them");
    await expect(save("two")).rejects.toThrow(SnapshotMismatchError);
    expect(() => store.forgetSandbox(newId("sbx"))).not.toThrow();
    expect(readdirSync(root()).filter((name) => name.startsWith("snp_")).length).toBe(1);
  });

  it("a key that others could read is refused, and ends nothing that has nothing to do with it", async () => {
    await save("one");
    chmodSync(join(home, "keys", "snapshot.key"), 0o644);
    store = open();
    store.recover(join(home, "sandboxes"));
    expect(() => store.list()).toThrow(SnapshotError);
    expect(() => store.forgetSandbox(newId("sbx"))).not.toThrow();
    expect(store.vouched(newId("sbx"))).toBe(false);
  });

  it("X-06 finishes what the ledger knows and removes what it does not", async () => {
    const whole = await save("whole");
    renameSync(join(root(), whole), join(root(), `.making-${whole}`));
    store.begin(newId("snp"));
    store.scratch(newId("snp"));
    writeFileSync(join(root(), ".ledger.json.1.1.mvm-tmp"), "half");
    const cold = join(home, "cold");
    mkdirSync(cold);
    for (const part of ["memory", "state"]) writeFileSync(join(cold, part), part);
    const [gone, there] = [newId("sbx"), newId("sbx")];
    mkdirSync(join(home, "sandboxes", there));
    for (const id of [gone, there]) store.vouch(cold, await manifestOf(id, null, cold));
    store = open();
    store.recover(join(home, "sandboxes"));
    expect(readdirSync(root()).sort()).toEqual(["ledger.json", whole].sort());
    await verify("whole");
    expect([store.vouched(gone), store.vouched(there)]).toEqual([false, true]);
  });

  it("X-12 does not remove what is being used", async () => {
    const id = await save("one");
    const releases = [store.holds.take(id), store.holds.take(id)];
    for (const release of releases) {
      await expect(store.remove("one")).rejects.toThrow(SnapshotError);
      release();
    }
    expect(await store.remove("one")).toBe(true);
    expect(existsSync(join(root(), id))).toBe(false);
  });

  it("removes one whose directory is gone", async () => {
    const id = await save("one");
    rmSync(join(root(), id), { recursive: true });
    expect(() => store.open("one")).toThrow(SnapshotMismatchError);
    expect(await store.remove("one")).toBe(true);
    expect(() => store.open("one")).toThrow(expect.objectContaining({ code: "SNAPSHOT_NOT_FOUND" }));
  });
});

function edit(change: (text: string) => string): void {
  const path = join(root(), "ledger.json");
  writeFileSync(path, change(readFileSync(path, "utf8")));
}
