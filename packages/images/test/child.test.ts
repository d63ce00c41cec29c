import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, VmDependencyError } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { runChild } from "../src/child.js";
import { temporaryHome } from "./temporary-home.js";

const shell = (script: string, options: Parameters<typeof runChild>[2]): Promise<string> =>
  runChild("/bin/sh", ["-c", script], options);

test("stdout is returned, stderr goes to the log and to the caller line by line", async () => {
  const log = join(await temporaryHome(), "log");
  const lines: string[] = [];
  expect(
    await shell("echo out; echo one >&2; echo two >&2", { log, timeoutMs: 5000, onLine: (l) => lines.push(l) }),
  ).toBe("out\n");
  expect(lines).toEqual(["one", "two"]);
  expect(await readFile(log, "utf8")).toContain("one\ntwo\n");
});

test("a failure carries the last lines, a missing tool is a dependency", async () => {
  const log = join(await temporaryHome(), "log");
  const failure = shell("echo E: no space left >&2; exit 3", { log, timeoutMs: 5000 });
  await expect(failure).rejects.toThrow(BuildError);
  await expect(failure).rejects.toThrow(/exit code 3\nE: no space left/);
  await expect(runChild("mvm-no-such-tool", [], { log, timeoutMs: 5000 })).rejects.toThrow(VmDependencyError);
});

test("an abort ends the children of the tool too", async () => {
  const home = await temporaryHome();
  const abort = new AbortController();
  const stop = new Error("stop");
  const running = shell(`sleep 60 & echo $! >${home}/pid; echo ready >&2; wait`, {
    log: join(home, "log"),
    timeoutMs: 30_000,
    signal: abort.signal,
    onLine: () => abort.abort(stop),
  });
  await expect(running).rejects.toBe(stop);
  const pid = Number(await readFile(join(home, "pid"), "utf8"));
  await expect.poll(() => isRunning(pid)).toBe(false);
});

test("a tool that hangs is ended at its deadline", async () => {
  const log = join(await temporaryHome(), "log");
  await expect(shell("exec sleep 60", { log, timeoutMs: 100 })).rejects.toThrow("stopped after 0.1 s");
});

test("the caller's environment stays out, the named variables get in", async () => {
  const log = join(await temporaryHome(), "log");
  process.env["MVM_TEST_SECRET"] = "hidden";
  const output = await shell("env", { log, timeoutMs: 5000, env: { SOURCE_DATE_EPOCH: "1" } });
  delete process.env["MVM_TEST_SECRET"];
  expect(output).toContain("SOURCE_DATE_EPOCH=1");
  expect(output).not.toContain("hidden");
});

async function isRunning(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return state !== "" && !state.includes(") Z ");
}
