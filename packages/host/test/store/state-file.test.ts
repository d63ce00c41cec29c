import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { writeFileAtomic } from "../../src/store/atomic.js";
import { listQuarantined, quarantine } from "../../src/store/quarantine.js";
import { readStateFile, writeStateFile, type StateFile } from "../../src/store/state-file.js";
import { temporaryHome } from "../fixture/daemon.js";
import { mkdirSync } from "node:fs";

const id = "sbx_01m82q01kw53bm2t7pa46sxp09";
const state: StateFile = {
  ...{
    schema_version: 1,
    id,
    name: "a",
    state: "running",
    reason: null,
    image: { name: "python", digest: "sha256:0" },
  },
  ...{ backend: "qemu", accel_choice: "auto", require_hardware: false, cpu: 1, memory_mb: 512, disk_mb: 2048 },
  ...{
    profile: "standard",
    workload_id: null,
    tags: { k: "v" },
    owner: null,
    detached: true,
    machine_id: "0".repeat(32),
  },
  ...{ created_at: "2025-01-01T00:00:00.000Z", ready_at: null, ended_at: null, expiry: null, identity: null },
  ...{ confinement: [], background_pids: [], ports: [], idempotency: null },
};

test("reads what it wrote, and leaves no temporary file", () => {
  const path = join(temporaryHome(), "state.json");
  writeStateFile(path, state, { durable: true });
  expect(readStateFile(path, id)).toEqual({ ok: true, state });
  expect(readdirSync(join(path, ".."))).toEqual(["state.json"]);
});

test("a failed write keeps the old content", () => {
  const home = temporaryHome();
  const path = join(home, "file");
  writeFileAtomic(path, "old");
  mkdirSync(join(home, "directory"));
  expect(() => writeFileAtomic(join(home, "directory"), "new")).toThrow();
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(home).sort()).toEqual(["directory", "file"]);
});

test.each([
  ["", "empty"],
  ["  \n", "empty"],
  ["{", "not whole JSON"],
  ["null", "not valid"],
  ["[]", "not valid"],
  [JSON.stringify({ ...state, schema_version: 2 }), "version 2"],
  [JSON.stringify({ ...state, schema_version: 0 }), "not valid"],
  [JSON.stringify({ ...state, pid: 1 }), "not valid"],
  [JSON.stringify({ ...state, id: "sbx_other" }), "belongs to another"],
])("says what is wrong with %j", (text, problem) => {
  const path = join(temporaryHome(), "state.json");
  writeFileSync(path, text);
  const read = readStateFile(path, id);
  expect(read.ok).toBe(false);
  if (!read.ok) expect(read.problem).toContain(problem);
});

test("a state file cut off or changed anywhere never throws and never reads as another sandbox", () => {
  const path = join(temporaryHome(), "state.json");
  const whole = JSON.stringify(state);
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(path, whole.slice(0, length));
    expect(readStateFile(path, id).ok).toBe(false);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      writeFileSync(path, bytes);
      expect(readStateFile(path, id).ok).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test("quarantine moves a directory aside whole, with the reason", () => {
  const home = temporaryHome();
  const directory = join(home, id);
  mkdirSync(directory);
  writeFileSync(join(directory, "disk"), "data");
  const { path } = quarantine(directory, join(home, "quarantine"), id, "its state file is empty");
  expect(readFileSync(join(path, "disk"), "utf8")).toBe("data");
  expect(listQuarantined(join(home, "quarantine"))).toMatchObject([{ id, problem: "its state file is empty" }]);
});
