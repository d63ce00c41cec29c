import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { CopyBudget, defaultCopyLimits } from "../../src/copy/budget.js";
import { copyIn } from "../../src/copy/copy-in.js";
import { openPlace } from "../../src/copy/host-place.js";
import { ProtectedSources } from "../../src/copy/protected-sources.js";
import { MemoryGuest } from "./memory-guest.js";

let home = "";
let state = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mvmctl-home-"));
  state = join(home, "state");
  for (const name of ["state/sub", ".ssh", ".aws", ".config/gcloud", ".config/app", "project/src"])
    mkdirSync(join(home, name), { recursive: true });
  writeFileSync(join(home, ".ssh/id"), "secret");
  writeFileSync(join(home, "project/a"), "A");
  writeFileSync(join(home, "project/src/b"), "B");
});

async function copy(path: string, guest = new MemoryGuest(), recursive = true) {
  using place = openPlace(path);
  const summary = await copyIn(place, "/in", {
    guest,
    recursive,
    budget: new CopyBudget(defaultCopyLimits),
    signal: new AbortController().signal,
    protectedSources: new ProtectedSources(state, [home]),
  });
  return { summary, guest };
}

test("copies a tree; links go as links and are not followed; FIFOs are left out", async () => {
  symlinkSync("../.ssh/id", join(home, "project/link"));
  symlinkSync(join(home, ".aws"), join(home, "project/dirlink"));
  execFileSync("mkfifo", [join(home, "project/fifo")]);
  const { summary, guest } = await copy(join(home, "project"));
  expect([...guest.written].map(([path, bytes]) => `${path}=${bytes.toString()}`)).toEqual(["/in/a=A", "/in/src/b=B"]);
  expect(Object.fromEntries(guest.links)).toEqual({ "/in/link": "../.ssh/id", "/in/dirlink": join(home, ".aws") });
  expect(guest.made).toEqual(["/in", "/in/src"]);
  expect(summary.skipped.map(({ why }) => why)).toEqual(["it is neither a file nor a directory"]);
});

test.each([
  ["", "copy.source.home"],
  ["..", "copy.source.state-root"],
  [".ssh", "copy.source.credentials"],
  [".ssh/id", "copy.source.credentials"],
  [".aws", "copy.source.credentials"],
  [".config", "copy.source.credentials"],
  ["state", "copy.source.state-root"],
  ["state/sub", "copy.source.state-root"],
  ["project/../.ssh", "copy.source.credentials"],
])("refuses %j in the home directory: %s", async (name, rule) => {
  const guest = new MemoryGuest();
  await expect(copy(join(home, name), guest)).rejects.toMatchObject({ name: "PolicyDenied", rule });
  expect(guest.written.size).toBe(0);
});

test("refuses the root and a link as a source, also on the way", async () => {
  await expect(copy("/")).rejects.toThrow(/"\/" itself/);
  symlinkSync(join(home, ".ssh"), join(home, "link"));
  await expect(copy(join(home, "link"))).rejects.toMatchObject({ rule: "copy.symlink" });
  await expect((async () => copy(join(home, "link/id")))()).rejects.toMatchObject({ rule: "copy.symlink" });
});

test("needs -r for a directory and refuses what is neither file nor directory", async () => {
  await expect(copy(join(home, "project"), undefined, false)).rejects.toThrow(/is a directory/);
  await expect(copy("/dev/null")).rejects.toMatchObject({ rule: "copy.source.special" });
  await expect(copy(join(home, "nothing"))).rejects.toThrow(/does not exist/);
});

test("a file that shrinks while it is read is reported", async () => {
  const guest = new MemoryGuest();
  const { write } = guest;
  guest.write = async (path, content) => {
    writeFileSync(join(home, "project/a"), "");
    return write.call(guest, path, content);
  };
  await expect(copy(join(home, "project/a"), guest)).rejects.toThrow(/changed while it was read/);
});
