import { mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError, type Mount, PolicyDenied } from "@mvm/protocol";
import { expect, test } from "vitest";
import { placeMounts } from "../../src/admission/mounts.js";
import { sharableDirectory } from "../../src/shares/sharable-directory.js";

const asIs = (host: string): Promise<string> => Promise.resolve(host);
const mount = (guest: string): Mount => ({ host: "/data", guest, mode: "ro" });

test("a guest path has one spelling in the plan", async () => {
  const placed = await placeMounts([mount("/work//./x/"), mount("/home/user/src")], asIs);
  expect(placed.map(({ guest }) => guest)).toEqual(["/work/x", "/home/user/src"]);
});

test.each(["/", "//", "work", "", "/work/../etc", "/etc", "/proc/self", "/usr/local", "/dev", "/run/x", "/a\0b"])(
  "nothing can be shared at %j",
  async (guest) => {
    await expect(placeMounts([mount(guest)], asIs)).rejects.toThrow(InvalidArgumentError);
  },
);

test.each([
  ["/work", "/work"],
  ["/work", "/work/sub"],
  ["/work/sub", "/work"],
])("%s and %s would hide one another", async (first, second) => {
  await expect(placeMounts([mount(first), mount(second)], asIs)).rejects.toThrow(/would hide/);
});

test("a directory is known by its real name, whatever link it was named by", async () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "sharable-")));
  mkdirSync(join(base, "real"));
  symlinkSync(join(base, "real"), join(base, "link"));
  expect(await sharableDirectory(join(base, "link"), "/nowhere")).toBe(join(base, "real"));
});

test("what is no directory is refused with what it is", async () => {
  const base = mkdtempSync(join(tmpdir(), "sharable-"));
  writeFileSync(join(base, "file"), "");
  await expect(sharableDirectory(join(base, "file"), "/nowhere")).rejects.toThrow(/not a directory/);
  await expect(sharableDirectory(join(base, "none"), "/nowhere")).rejects.toThrow(/does not exist/);
  await expect(sharableDirectory("relative", "/nowhere")).rejects.toThrow(/not absolute/);
});

test("the host itself, the state root and credentials are shared with nobody, by no name", async () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "sharable-")));
  const state = join(base, "state");
  mkdirSync(join(state, "keys"), { recursive: true });
  symlinkSync(state, join(base, "alias"));
  const rule = async (path: string): Promise<string> => {
    const refused = await sharableDirectory(path, state).catch((error: unknown) => error);
    if (!(refused instanceof PolicyDenied)) throw new Error(`${path} is not denied`);
    return refused.rule ?? "";
  };
  expect(await rule("/")).toBe("mount.source.root");
  expect(await rule("/proc")).toBe("mount.source.system");
  expect(await rule("/etc")).toBe("mount.source.system");
  for (const path of [state, join(state, "keys"), base, join(base, "alias")]) {
    expect(await rule(path)).toBe("mount.source.state-root");
  }
  expect(await rule(homedir())).toBe("mount.source.home");
});
