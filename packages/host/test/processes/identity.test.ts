import { spawn } from "node:child_process";
import { describe, expect, it } from "vitest";
import { bootId, isAlive, killIfSame, processStat } from "../../src/processes/identity.js";

function sleeper(): { pid: number; startTime: string; bootId: string; gone: Promise<unknown> } {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  const pid = child.pid ?? 0;
  return {
    pid,
    startTime: processStat(pid)?.startTime ?? "",
    bootId: bootId(),
    gone: new Promise((resolve) => child.once("exit", resolve)),
  };
}

describe("isAlive and killIfSame", () => {
  it("know a process by pid, start time and boot", async () => {
    const child = sleeper();
    expect(isAlive(child)).toBe(true);
    expect(killIfSame(child)).toBe(true);
    await child.gone;
    expect(isAlive(child)).toBe(false);
  });

  it("never signal another process that has the same pid", async () => {
    const child = sleeper();
    expect(killIfSame({ ...child, startTime: "1" })).toBe(false);
    expect(killIfSame({ ...child, bootId: "other boot" })).toBe(false);
    expect(isAlive(child)).toBe(true);
    killIfSame(child);
    await child.gone;
  });

  it("call a zombie dead", async () => {
    // The shell does not wait for its child, which stays a zombie until the shell ends.
    const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    const pid = Number(
      await new Promise<string>((resolve) => parent.stdout.once("data", (data: Buffer) => resolve(data.toString()))),
    );
    let stat = processStat(pid);
    for (let tries = 0; tries < 100 && stat?.state !== "Z"; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      stat = processStat(pid);
    }
    expect(stat?.state).toBe("Z");
    expect(isAlive({ pid, startTime: stat?.startTime ?? "", bootId: bootId() })).toBe(false);
    parent.kill("SIGKILL");
  });

  it("reads the state of a process whose name holds parentheses and spaces", () => {
    const child = spawn("sh", ["-c", "exec -a 'a) R (b' sleep 60"], { stdio: "ignore" });
    expect(processStat(child.pid ?? 0)?.parent).toBe(process.pid);
    child.kill("SIGKILL");
  });
});
