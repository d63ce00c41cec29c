import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SnapshotError } from "@mvm/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { openSealer } from "../../src/snapshots/seal.js";
import { temporaryHome } from "../fixture/daemon.js";

let path: string;
beforeEach(() => {
  path = join(temporaryHome(), "keys", "snapshot.key");
});

describe("openSealer", () => {
  it("makes a private key once and seals with the same afterwards", () => {
    const sealed = openSealer(path).seal({ b: 1, a: { d: [1, "x"], c: null } });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path).length).toBe(32);
    const again = openSealer(path);
    expect(again.check(sealed)).toBe(true);
    expect(again.check({ a: { c: null, d: [1, "x"] }, seal: sealed.seal, b: 1 }), "order is no matter").toBe(true);
  });

  it.each([
    ["a changed value", (sealed: object) => ({ ...sealed, b: 2 })],
    ["a field more", (sealed: object) => ({ ...sealed, more: undefined, c: 1 })],
    ["a field less", ({ seal }: { seal: string }) => ({ seal })],
    ["a number for a string", (sealed: object) => ({ ...sealed, a: 1 })],
    ["a seal of other letters", (sealed: { seal: string }) => ({ ...sealed, seal: sealed.seal.toUpperCase() })],
    ["a short seal", (sealed: { seal: string }) => ({ ...sealed, seal: sealed.seal.slice(2) })],
    ["no seal", ({ b }: { b: number }) => ({ b, a: "1" })],
    ["a seal that is no string", (sealed: object) => ({ ...sealed, seal: 7 })],
  ])("refuses %s", (_what, change) => {
    const sealer = openSealer(path);
    const sealed = sealer.seal({ b: 1, a: "1" });
    expect(sealer.check(sealed)).toBe(true);
    expect(sealer.check(change(sealed))).toBe(false);
  });

  it("refuses the seal of another key", () => {
    const sealed = openSealer(path).seal({ a: 1 });
    rmSync(path);
    expect(openSealer(path).check(sealed)).toBe(false);
  });

  it.each([
    ["one that others can read", () => chmodSync(path, 0o640)],
    ["one that is too short", () => writeFileSync(path, "short")],
    ["an empty one", () => writeFileSync(path, "")],
    ["a link", () => (rmSync(path), writeFileSync(`${path}.2`, Buffer.alloc(32)), symlinkSync(`${path}.2`, path))],
    ["a directory", () => (rmSync(path), mkdirSync(path))],
  ])("does not use %s", (_what, damage) => {
    openSealer(path);
    damage();
    expect(() => openSealer(path)).toThrow(SnapshotError);
  });
});
