import { type CommandResult, type ProcessEvent, Sandbox } from "@mvm/sdk";
import { beforeAll, describe, expect, test } from "vitest";
import { text, until, useScene, verdict } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox();
}, 600_000);

type Part = Extract<ProcessEvent, { text: string }>;
const isOutput = (event: ProcessEvent): event is Part => event.type === "stdout" || event.type === "stderr";

async function all(events: AsyncIterable<ProcessEvent>): Promise<ProcessEvent[]> {
  const found: ProcessEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

describe("a started command", () => {
  test("replays from a cursor: after a reconnect, after the end, to any number of readers", async () => {
    const started = await sandbox.commands.start(
      "for i in 1 2 3; do echo line $i; done; read go; echo after $go >&2; exit 5",
    );
    let cursor = 0;
    for await (const event of started.logs({ from: 0 })) {
      if (isOutput(event)) cursor = event.cursor;
      if (cursor === "line 1\nline 2\nline 3\n".length) break;
    }
    const other = await (await Sandbox.connect(sandbox.id, { home: scene.home })).commands.connect(started.pid);
    expect(other.runId).toBe(started.runId);
    await other.writeStdin("now\n");
    const rest = await all(other.logs({ from: cursor }));
    expect(rest.map((event) => (isOutput(event) ? `${event.type} ${event.text}` : event.type))).toEqual([
      "stderr after now\n",
      "end",
    ]);
    expect(await started.wait()).toMatchObject({
      exitCode: 5,
      stdout: "line 1\nline 2\nline 3\n",
      stderr: "after now\n",
    });
    const again = (await all(started.logs({ from: 0 }))).filter(isOutput).map(({ text: part }) => part);
    expect(again.join("")).toBe("line 1\nline 2\nline 3\nafter now\n");
    expect((await all(started.logs({ from: 9_999_999 }))).map(({ type }) => type)).toEqual(["end"]);
    expect(await verdict(started.kill())).toMatch(/PROCESS_NOT_FOUND|GUEST/);
  });

  test("says how much a late reader has lost, and spills all of it into a file", async () => {
    const script = "seq 1 400000; echo err >&2; seq 400001 500000";
    const started = await sandbox.commands.start(script, { spill: "logs/all.txt", maxOutputBytes: 1000 });
    const result = await started.wait();
    expect(result).toMatchObject({ stdoutTruncated: true, stderr: "err\n" });
    expect(result.spillBytes).toBe(result.stdoutBytes + result.stderrBytes);
    const [gap, ...events] = await all(started.logs({ from: 0 }));
    expect(gap).toMatchObject({ type: "gap", from: 0 });
    const held = events.filter(isOutput).reduce((sum, { data }) => sum + data.length, 0);
    expect(gap?.type === "gap" && gap.to + held).toBe(result.spillBytes);
    await text(sandbox, "seq 1 500000 > all.expected");
    expect(
      await text(
        sandbox,
        `python3 -c "a, b = (open(n, 'rb').read() for n in ('logs/all.txt', 'all.expected')); print(a.replace(b'err\\n', b'') == b)"; stat -c %U logs/all.txt`,
      ),
    ).toBe("True\nuser");
    // Again: emptied first; without output it is there and empty.
    expect((await sandbox.commands.run("true", { spill: "logs/all.txt" })).spillBytes).toBe(0);
    expect(await text(sandbox, "wc -c < logs/all.txt")).toBe("0");
    expect((await sandbox.commands.run("echo x")).spillBytes).toBeUndefined();
  });

  test("R-09 spills as far as the disk has room, and never into what is no file", async () => {
    await text(sandbox, "head -c 1G /dev/zero > /run/fill || true", { user: "root" });
    const full = await sandbox.commands.run("head -c 300000 /dev/zero; echo end >&2", {
      spill: "/run/out",
      maxOutputBytes: 0,
    });
    expect(full).toMatchObject({ exitCode: 0, stdoutBytes: 300_000, stderrBytes: 4 });
    expect(full.spillBytes).toBeLessThanOrEqual(65_536);
    await text(sandbox, "rm /run/fill", { user: "root" });
    await text(sandbox, "mkfifo fifo; ln -sf /etc/passwd link; mkdir -p dir");
    for (const spill of ["fifo", "link", "dir", "/proc/self/comm", "/dev/null", "/sys/kernel/uevent_helper"]) {
      expect(await verdict(sandbox.commands.run("echo ran > ran", { spill })), spill).not.toMatch(/INTERNAL|OUTCOME/);
    }
    expect(await text(sandbox, "cat ran 2>/dev/null; grep -c root /etc/passwd")).toBe("1");
  });

  test("is listed while it runs, with what runs code left out", async () => {
    const started = await sandbox.commands.start(["sleep", "820"]);
    const listed = await sandbox.commands.list();
    expect(listed).toContainEqual(expect.objectContaining({ pid: started.pid, argv: ["sleep", "820"], running: true }));
    expect(listed.every(({ user }) => user === "user")).toBe(true);
    await started.kill("SIGINT");
    expect(await started.wait()).toMatchObject({ signal: "SIGINT", exitCode: 130 });
  });

  test("reads its stdin to the end, and a terminal is resized", async () => {
    const sum = await sandbox.commands.start(["sh", "-c", "sort -n | paste -sd+ | tr + ' '"]);
    for (const part of ["3\n", "1\n", "2\n"]) await sum.writeStdin(part);
    await sum.closeStdin();
    expect((await sum.wait()).stdout).toBe("1 2 3\n");
    const trap = "trap 'stty size' WINCH; stty size; while :; do sleep 0.1; done";
    const terminal = await sandbox.commands.start(["sh", "-c", trap], { pty: { rows: 10, cols: 20 } });
    let seen = "";
    for await (const event of terminal) {
      if (isOutput(event)) seen += event.text;
      if (seen === "10 20\r\n") await terminal.resize(30, 40);
      if (seen.endsWith("30 40\r\n")) await terminal.resize({ rows: 50, cols: 60 });
      if (seen.endsWith("50 60\r\n")) break;
    }
    await terminal.kill("SIGKILL");
    const pipe = await sandbox.commands.start(["sleep", "9"]);
    expect(await verdict(pipe.resize(1, 1))).toBe("GuestAgentError GUEST_INVALID");
    await pipe.kill("SIGKILL");
  });
});

test("T-03 a deadline ends the whole tree of a started command, with the output so far", async () => {
  const escape =
    "echo begun; setsid sh -c 'sleep 821 & exec sleep 822' & (setsid sh -c '(exec -a quiet sleep 823) &' &) ; exec sleep 824";
  const result: CommandResult = await (
    await sandbox.commands.start(["bash", "-c", escape], { timeoutMs: 1500 })
  ).wait();
  expect(result).toMatchObject({ timedOut: true, stdout: "begun\n" });
  await until("nothing of it runs", async () => (await text(sandbox, "pgrep -cf '82[1234]$' || true")) === "0");
});
