import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CommandResult, Sandbox, SandboxError } from "@mvm/sdk";
import { describe, expect, it } from "vitest";
import { machineProcesses } from "../support/daemon.js";
import { failure, growthMb, root, sh, text, until, useScene } from "../support/scene.js";

const scene = useScene();

type End = CommandResult | SandboxError;

/** A command that waits in the guest while its machine comes to grief, once it runs. */
async function pending(sandbox: Sandbox): Promise<{ readonly end: Promise<End> }> {
  let started: () => void;
  const running = new Promise<void>((resolve) => (started = resolve));
  const end = sandbox.commands
    .run(["sh", "-c", "echo started; sleep 600"], { onStdout: () => started() })
    .catch((error: SandboxError) => error);
  await Promise.race([running, end]);
  return { end };
}

/** What must hold once a machine is dead: everybody was told, nothing is left running, the sandbox says why. */
async function afterDeath(sandbox: Sandbox, calls: Promise<End>[]): Promise<void> {
  for (const call of calls) {
    expect(await call).toMatchObject({ name: "OutcomeUnknownError", outcome: "unknown", retry: "ask" });
  }
  await until("the sandbox has failed", async () => (await sandbox.status()).state === "failed");
  expect(sandbox.info).toMatchObject({ state: "failed", reason: "crashed", endedAt: expect.any(String) });
  await until("its processes are gone", () => machineProcesses(scene.home).every(({ owner }) => owner !== sandbox.id));
  expect(await failure(sh(sandbox, "true"))).toMatchObject({ name: "SandboxUnavailable", outcome: "not_started" });
  expect(await failure(sandbox.files.read("/etc/passwd"))).toMatchObject({ name: "SandboxUnavailable" });
  // Its disk and memory are gone, its logs stay for whoever wants to know why, until it is given up.
  await until("disk and sockets are gone", () => !readdirSync(scene.directory(sandbox)).includes("vm"));
  const lines: string[] = [];
  for await (const { line } of sandbox.logs({ source: "supervisor" })) lines.push(line);
  expect(lines.join("\n")).toMatch(/failed/);
  expect(await sandbox.destroy()).toMatchObject({ destroyed: true });
  expect(readdirSync(join(scene.home, "sandboxes"))).not.toContain(sandbox.id);
}

const python = (code: string): string => `python3 -c "import ctypes;${code}"`;

describe("G-08 the guest's root ends its own machine in the middle of a command", () => {
  it.each([
    ["resets it", "echo b > /proc/sysrq-trigger"],
    ["makes the kernel panic", "echo c > /proc/sysrq-trigger"],
    ["powers it off", python("ctypes.CDLL(None).reboot(0x4321fedc)")],
    ["reboots it", python("ctypes.CDLL(None).reboot(0x1234567)")],
    ["halts it", "echo o > /proc/sysrq-trigger"],
  ])("G-08 %s: failed, unknown outcome, nothing left", async (_what, script) => {
    const sandbox = await scene.sandbox();
    const waiting = await pending(sandbox);
    const fatal = sh(sandbox, `${script}; sleep 600`, root).catch((error: SandboxError) => error);
    await afterDeath(sandbox, [waiting.end, fatal]);
  });

  it("G-08 the agent cannot be ended by signals of root, and the sandbox works on", async () => {
    const sandbox = await scene.sandbox();
    await sh(
      sandbox,
      "for s in KILL TERM INT HUP USR1 USR2 PIPE ALRM SEGV BUS ILL FPE ABRT STOP TSTP QUIT; do kill -$s 1; done",
      root,
    );
    expect(await text(sandbox, "echo alive")).toBe("alive");
    await sandbox.destroy();
  });
});

describe("G-11 QEMU itself dies", () => {
  const cores = () =>
    [scene.home, process.cwd(), "/"].flatMap((place) => readdirSync(place).filter((name) => /^core(\.|$)/.test(name)));

  it("G-11 by SIGKILL during a command: unknown outcome, no core file, not started again", async () => {
    const sandbox = await scene.sandbox();
    const waiting = await pending(sandbox);
    const before = cores();
    process.kill(scene.machine(sandbox)!, "SIGKILL");
    await afterDeath(sandbox, [waiting.end]);
    expect(cores()).toEqual(before);
    expect(scene.machine(sandbox)).toBeUndefined();
  });

  it.each(["SIGSEGV", "SIGABRT", "SIGTERM"] as const)(
    "G-11 by %s: the same, unless it is init of its namespace, whom only SIGKILL reaches from outside",
    async (signal) => {
      const sandbox = await scene.sandbox();
      const waiting = await pending(sandbox);
      const before = cores();
      const pid = scene.machine(sandbox)!;
      const isInit = /^NSpid:.*\s1$/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
      process.kill(pid, signal);
      if (isInit && signal !== "SIGTERM") {
        expect(await text(sandbox, "echo alive")).toBe("alive");
        process.kill(pid, "SIGKILL");
      }
      await afterDeath(sandbox, [waiting.end]);
      expect(cores()).toEqual(before);
    },
  );
});

describe("G-09 root floods console and serial line", () => {
  it("G-09 bounded on disk and in the daemon, and the machine is not held up", { timeout: 180_000 }, async () => {
    const sandbox = await scene.sandbox();
    // As fast as it goes, for a time: an emulated serial line carries a few hundred KiB a second.
    const flood =
      "cat /dev/zero | tr '\\0' 'x' | fold -w 120 > /dev/ttyS0 & cat /dev/urandom > /dev/console & sleep 12; kill %1 %2; wait";
    const grown = await growthMb(scene.daemon(), async () => {
      const flooding = sandbox.commands.run(["bash", "-c", flood], { ...root, timeoutSeconds: 60 });
      for (let round = 0; round < 5; round++) expect(await text(sandbox, "echo alive")).toBe("alive");
      await flooding;
    });
    expect(grown).toBeLessThan(32);
    const sizes = readdirSync(scene.directory(sandbox))
      .filter((name) => /log/.test(name))
      .map((name) => statSync(join(scene.directory(sandbox), name)).size);
    expect(sizes.length).toBeGreaterThan(0);
    expect(Math.max(...sizes)).toBeLessThan(16 * 1024 * 1024);
    let lines = 0;
    for await (const { line } of sandbox.logs({ source: "guest" })) {
      lines++;
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(64 * 1024);
    }
    expect(lines).toBeGreaterThan(0);
    expect(await text(sandbox, "echo alive")).toBe("alive");
    await sandbox.destroy();
  });
});
