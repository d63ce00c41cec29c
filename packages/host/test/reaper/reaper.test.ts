import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished, expect, test } from "vitest";
import { createLog } from "../../src/observe/log.js";
import { bootId, isAlive, processStat } from "../../src/processes/identity.js";
import { startReaper } from "../../src/reaper/reaper.js";
import { reaperScript } from "../../src/reaper/script.js";

let homes = 0;
/** No test's reaper takes another's for a former one. */
const home = (): string => `/nonexistent/${process.pid}/${++homes}`;
const log = createLog({ write: () => undefined });

function sleeper(): { pid: number; startTime: string; bootId: string; child: ChildProcess } {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const pid = child.pid as number;
  return { pid, startTime: processStat(pid)?.startTime ?? "", bootId: bootId(), child };
}

async function until(condition: () => boolean, ms = 3_000): Promise<number> {
  const began = performance.now();
  while (!condition()) {
    if (performance.now() - began > ms) throw new Error("not within its time");
    await sleep(5);
  }
  return performance.now() - began;
}

test("kills what is listed when its input ends, within a second, and nothing else", async () => {
  const [listed, released, unrelated, other] = [sleeper(), sleeper(), sleeper(), sleeper()];
  const reaper = startReaper(log, home());
  reaper.add(listed);
  reaper.add(released);
  reaper.add({ pid: other.pid, startTime: "1" });
  reaper.remove(released);
  await sleep(50);
  reaper.close();
  expect(await until(() => !isAlive(listed))).toBeLessThan(1_000);
  await sleep(50);
  for (const survivor of [released, unrelated, other]) expect(isAlive(survivor)).toBe(true);
});

test("holds twenty machines, and is small", async () => {
  const machines = Array.from({ length: 20 }, sleeper);
  const reaper = startReaper(log, home());
  machines.forEach((machine) => reaper.add(machine));
  await sleep(100);
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${reaper.pid}/status`, "utf8"))?.[1]);
  expect(rss).toBeLessThan(6_000);
  reaper.close();
  await until(() => machines.every((machine) => !isAlive(machine)));
});

test("is started again with its whole list when it dies", async () => {
  const machine = sleeper();
  const reaper = startReaper(log, home());
  reaper.add(machine);
  const first = reaper.pid as number;
  process.kill(first, "SIGKILL");
  await until(() => reaper.pid !== undefined && reaper.pid !== first);
  expect(isAlive(machine)).toBe(true);
  await sleep(100);
  reaper.close();
  await until(() => !isAlive(machine));
});

test("a terminal's signals do not reach it, and odd names of processes do not confuse it", async () => {
  const child = spawn("sh", ["-c", "cp /bin/sleep '/tmp/a) b 1 2' && exec '/tmp/a) b 1 2' 1000"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  await until(
    () =>
      processStat(child.pid as number) !== undefined &&
      readFileSync(`/proc/${child.pid}/comm`, "utf8").startsWith("a)"),
  );
  const machine = {
    pid: child.pid as number,
    startTime: processStat(child.pid as number)?.startTime ?? "",
    bootId: bootId(),
  };
  const reaper = startReaper(log, home());
  reaper.add(machine);
  await sleep(100);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) process.kill(reaper.pid as number, signal);
  await sleep(100);
  expect(processStat(reaper.pid as number)?.state).not.toBe("Z");
  reaper.close();
  await until(() => !isAlive(machine));
});

test("its script is plain POSIX: every shell of this host reads it", async () => {
  for (const shell of ["/bin/sh", "/bin/bash"]) {
    const machine = sleeper();
    const reaper = spawn(shell, ["-c", reaperScript], { stdio: ["pipe", "ignore", "pipe"] });
    reaper.stdin.end(`add ${machine.pid} ${machine.startTime}\nadd 1 77\ndel 1 77\ngarbage\nadd x y\n`);
    await until(() => !isAlive(machine));
  }
});

test("what outlives the daemon is ended when its time has come, and the reaper goes with the last", async () => {
  const [soon, later, moved, freed] = [sleeper(), sleeper(), sleeper(), sleeper()];
  const reaper = startReaper(log, home());
  const now = uptime() * 1000;
  reaper.add(soon);
  reaper.outlive(soon, now);
  reaper.outlive(later, now + 3_600_000);
  reaper.outlive(moved, now);
  reaper.outlive(moved, now + 3_600_000);
  reaper.outlive(freed, now);
  reaper.remove(freed);
  const pid = reaper.pid as number;
  await sleep(50);
  reaper.close();
  await until(() => !isAlive(soon), 5_000);
  for (const survivor of [later, moved, freed]) expect(isAlive(survivor)).toBe(true);
  later.child.kill("SIGKILL");
  moved.child.kill("SIGKILL");
  // It looks again every half minute at the latest; the next daemon would end it at once.
  process.kill(-pid, "SIGKILL");
});

test("a reaper that is told a time passes on it when it is started again; the next daemon's takes over", async () => {
  const [machine, kept] = [sleeper(), sleeper()];
  const root = home();
  const first = startReaper(log, root);
  first.outlive(machine, uptime() * 1000 + 1_500);
  first.outlive(kept, uptime() * 1000 + 1_500);
  const pid = first.pid as number;
  first.close();
  const second = startReaper(log, root);
  await until(() => processStat(pid) === undefined);
  second.outlive(kept, uptime() * 1000 + 3_600_000);
  second.outlive(machine, uptime() * 1000 + 1_500);
  const killed = second.pid as number;
  process.kill(killed, "SIGKILL");
  await until(() => second.pid !== undefined && second.pid !== killed);
  second.close();
  await until(() => !isAlive(machine), 10_000);
  expect(isAlive(kept)).toBe(true);
  startReaper(log, root).close();
});
