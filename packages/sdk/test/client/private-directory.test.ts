import { execFile } from "node:child_process";
import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { ensurePrivateDirectory } from "../../src/client/private-directory.js";

describe("ensurePrivateDirectory", () => {
  test("makes every missing directory for this user alone", () => {
    const base = mkdtempSync(join(tmpdir(), "private-"));
    ensurePrivateDirectory(join(base, "a", "b", "c"), "private");
    for (const part of ["a", "a/b", "a/b/c"]) expect(statSync(join(base, part)).mode & 0o777).toBe(0o700);
    ensurePrivateDirectory(join(base, "a", "b", "c"), "private");
  });

  // In a process of its own: what is tested for is an endless loop in native code.
  test("fails where the kernel makes no directories, instead of never returning", async () => {
    const cli = join(import.meta.dirname, "../../../cli/dist/mvmctl.js");
    const env = { ...process.env, MVM_HOME: "/proc/nope" };
    const failure = await promisify(execFile)(process.execPath, [cli, "daemon", "start"], {
      env,
      timeout: 20_000,
      killSignal: "SIGKILL",
    }).catch((error: unknown) => error as { code: number; killed: boolean; stderr: string });
    expect(failure).toMatchObject({ killed: false });
    expect(failure.stderr).toMatch(/^mvmctl: VmConfigError .*Cannot use the state root .*it cannot be made/);
  });
});
