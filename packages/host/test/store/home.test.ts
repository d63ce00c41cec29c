import { chmodSync, lchownSync, mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { VmConfigError } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { openHome, stateRoot } from "../../src/store/home.js";
import { temporaryHome } from "../fixture/daemon.js";

const mode = (path: string): number => statSync(path).mode & 0o7777;

test("makes a missing state root and its directories private, whatever the umask is", () => {
  const root = join(temporaryHome(), "deep/er/home");
  process.umask(0o000);
  const layout = openHome(root);
  expect(process.umask()).toBe(0o077);
  for (const path of [root, layout.run, layout.sandboxes, layout.quarantine, layout.logs])
    expect(mode(path)).toBe(0o700);
  expect(readdirSync(root).sort()).toEqual(["logs", "quarantine", "run", "sandboxes", "tmp"]);
});

test("takes a readable directory of ours and closes it", () => {
  const root = join(temporaryHome(), "home");
  mkdirSync(root, { mode: 0o755 });
  openHome(root);
  expect(mode(root)).toBe(0o700);
});

test.each([
  ["writable by everyone", (root: string) => (mkdirSync(root), chmodSync(root, 0o777))],
  ["writable by the group", (root: string) => (mkdirSync(root), chmodSync(root, 0o770))],
  [
    "a symbolic link",
    (root: string) => (mkdirSync(`${root}-real`, { mode: 0o700 }), symlinkSync(`${root}-real`, root)),
  ],
])("refuses a state root that is %s", (_name, prepare) => {
  const root = join(temporaryHome(), "home");
  prepare(root);
  expect(() => openHome(root)).toThrow(
    /^Cannot use the state root ".*\/home": (others can write to it|it is a symbolic link)/,
  );
});

test.runIf(process.geteuid?.() === 0)("refuses a state root of another user", () => {
  const root = join(temporaryHome(), "home");
  mkdirSync(root, { mode: 0o700 });
  lchownSync(root, 65534, 65534);
  expect(() => openHome(root)).toThrow(/belongs to another user \(65534, not 0\)/);
});

test("refuses a state root below a directory in which anyone can rename", () => {
  const shared = join(temporaryHome(), "shared");
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  expect(() => openHome(join(shared, "home"))).toThrow(/every user can write/);
  chmodSync(shared, 0o1777);
  openHome(join(shared, "home"));
});

test("refuses a path whose socket would not fit, before anything is made", () => {
  const root = join(temporaryHome(), "x".repeat(120));
  expect(() => openHome(root)).toThrow(VmConfigError);
});

test("finds the state root in the order of the contract", () => {
  expect(stateRoot({ MVM_HOME: "/a", XDG_DATA_HOME: "/b", HOME: "/c" })).toBe("/a");
  expect(stateRoot({ XDG_DATA_HOME: "/b", HOME: "/c" })).toBe("/b/mvm");
  expect(stateRoot({ HOME: "/c" })).toBe("/c/.local/share/mvm");
  expect(() => stateRoot({})).toThrow(VmConfigError);
  expect(stateRoot({ MVM_HOME: "relative" })).toBe(resolve("relative"));
  expect(stateRoot({ XDG_DATA_HOME: "relative" })).toBe(resolve("relative", "mvm"));
});
