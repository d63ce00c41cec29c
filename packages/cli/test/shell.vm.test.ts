import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { daemonPid, makeHome } from "../../../tests/support/home.js";
import { run } from "./support/cli.js";
import { LiveTerminal } from "./support/live-terminal.js";

let made: ReturnType<typeof makeHome>;
const open: LiveTerminal[] = [];
const mvm = (argv: readonly string[]) => run(argv, { home: made.home, timeoutMs: 110_000 });
const up = async (name: string, ...more: string[]) =>
  expect((await mvm(["up", name, "--ttl", "20m", ...more])).code).toBe(0);

function terminal(argv: readonly string[], size: { rows?: number; cols?: number } = {}): LiveTerminal {
  const made_ = new LiveTerminal(argv, { home: made.home, ...size });
  open.push(made_);
  return made_;
}

beforeAll(async () => {
  made = makeHome();
  await up("box");
});
afterAll(() => {
  for (const one of open) one.destroy();
  made.remove();
});

/** Processes of the guest whose command line has the words. */
async function guestProcesses(words: string): Promise<number> {
  const { code, stdout, stderr } = await mvm(["exec", "box", "--", "sh", "-c", `pgrep -cxf "${words}" || true`]);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return Number(stdout.toString());
}

async function runsInGuest(words: string): Promise<void> {
  for (let tries = 0; tries < 40 && (await guestProcesses(words)) === 0; tries++);
  expect(await guestProcesses(words)).toBe(1);
}

async function goneFromGuest(words: string): Promise<void> {
  for (let tries = 0; tries < 40 && (await guestProcesses(words)) > 0; tries++);
  expect(await guestProcesses(words)).toBe(0);
}

describe("a shell on a real terminal", () => {
  test("echoes, knows the size and its changes, edits lines, and exits with the shell's code", async () => {
    const shell = terminal(["shell", "box", "--env", "PS1=ready> ", "--", "bash", "--norc"], { rows: 30, cols: 91 });
    await shell.shows("ready> ");
    shell.type("stty size; tty; id -un\r");
    expect(await shell.shows("user\r\n")).toMatch(/stty size[^]*30 91\r\n\/dev\/pts\/\d+/);
    shell.resize(41, 132);
    shell.resize(40, 133);
    for (let tries = 0; ; tries++) {
      shell.type("stty size\r");
      if ((await shell.shows(/\d+ \d+\r\n/)).includes("40 133")) break;
      expect(tries).toBeLessThan(100);
    }
    shell.type("echo wrong\x17$((6*7))\r");
    await shell.shows("42\r\n");
    shell.type("exit 7\r");
    expect(await shell.end()).toMatchObject({ code: 7, restored: true });
  });

  test("^C interrupts the program in the guest, ^Z stops it, ^D ends the shell", async () => {
    const shell = terminal(["shell", "box", "--env", "PS1=ready> ", "--", "bash", "--norc", "-i"]);
    await shell.shows("ready> ");
    shell.type("sleep 700; echo status $?\r");
    await shell.shows("\n");
    await runsInGuest("sleep 700");
    shell.type("\x03");
    await shell.shows("ready> ");
    await goneFromGuest("sleep 700");
    shell.type("sleep 701\r");
    await runsInGuest("sleep 701");
    shell.type("\x1a");
    await shell.shows("Stopped");
    shell.type(`exec sh -c "kill -9 $(jobs -p); exit 3"\r`);
    expect(await shell.end()).toMatchObject({ code: 3, restored: true });
    const second = terminal(["shell", "box"]);
    second.type("echo $((6*7))\r");
    await second.shows(/[\r\n]42\r\n/);
    second.type("\x04");
    expect(await second.end()).toMatchObject({ code: 0, restored: true });
  });

  test("a program that takes the terminal over gets every key, and ours is as before afterwards", async () => {
    const keys =
      "import sys,termios,tty; f=sys.stdin.fileno(); old=termios.tcgetattr(f); tty.setraw(f); print('raw', end='', flush=True);" +
      "got=b''\nwhile not got.endswith(b'q'): got+=sys.stdin.buffer.raw.read(1)\n" +
      "termios.tcsetattr(f, termios.TCSADRAIN, old); print(got)";
    const vi = terminal(["exec", "-t", "box", "--", "python3", "-c", keys]);
    await vi.shows("raw");
    vi.type("\x03\x1a\x04\x11\x13\x1b[A\x7f\r\nq");
    await vi.shows("b'\\x03\\x1a\\x04\\x11\\x13\\x1b[A\\x7f\\r\\nq'");
    expect(await vi.end()).toMatchObject({ code: 0, restored: true });
  });

  test("floods the terminal without losing bytes", async () => {
    const flood = terminal(["exec", "-t", "box", "--", "sh", "-c", "stty -opost; seq 1 60000; echo done"]);
    const { code, text, restored } = await flood.end();
    expect({ code, restored }).toEqual({ code: 0, restored: true });
    const lines = text.split("\n");
    expect([lines.length, lines[59_999], lines[60_000]]).toEqual([60_002, "60000", "done"]);
  });
});

describe("whatever ends a shell, the terminal is restored", () => {
  test.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("T-07 %s of the client: the shell is gone from the guest", async (signal, code) => {
    const shell = terminal(["shell", "box", "--", "sh", "-c", "echo begun; exec sleep 702"]);
    await shell.shows("begun");
    shell.kill(signal);
    expect(await shell.end()).toMatchObject({ code, restored: true });
    await goneFromGuest("sleep 702");
  });

  test("SIGKILL of the client: the shell is gone from the guest", async () => {
    const shell = terminal(["shell", "box", "--", "sh", "-c", "echo begun; exec sleep 703"]);
    await shell.shows("begun");
    shell.kill("SIGKILL");
    expect((await shell.end()).code).toBe(-9);
    await goneFromGuest("sleep 703");
  });

  test("the shell killed in the guest", async () => {
    const shell = terminal(["shell", "box", "--", "sh", "-c", "echo begun; kill -9 $$"]);
    await shell.shows("begun");
    expect(await shell.end()).toMatchObject({ code: 137, restored: true });
  });

  test("the sandbox's machine killed during a PTY", async () => {
    await up("victim");
    const shell = terminal(["shell", "victim", "--", "sh", "-c", "echo begun; exec sleep 704"]);
    await shell.shows("begun");
    expect(
      (await mvm(["exec", "victim", "--user", "root", "--", "sh", "-c", "sleep 0; echo c > /proc/sysrq-trigger"])).code,
    ).not.toBe(0);
    const { code, text, restored } = await shell.end();
    expect({ code, restored }, text).toEqual({ code: 74, restored: true });
    expect(text).toMatch(/mvmctl: OutcomeUnknownError \[\w+\]/);
  });

  test("an unknown program and an unknown sandbox", async () => {
    expect(await terminal(["exec", "-t", "box", "--", "nothing-of-that-name"]).end()).toMatchObject({
      code: 127,
      restored: true,
    });
    expect(await terminal(["shell", "nobody"]).end()).toMatchObject({ code: 69, restored: true });
  });

  test("the daemon killed", async () => {
    const shell = terminal(["shell", "box", "--", "sh", "-c", "echo begun; exec sleep 705"]);
    await shell.shows("begun");
    process.kill(daemonPid(made.home)!, "SIGKILL");
    const { code, restored } = await shell.end();
    expect({ code, restored }).toEqual({ code: 74, restored: true });
    // The sandbox is detached: the next daemon adopts it and ends what nobody follows.
    await goneFromGuest("sleep 705");
  });
});

test("without a terminal, or with --json, it is refused", async () => {
  for (const argv of [
    ["shell", "box"],
    ["exec", "-t", "box", "--", "true"],
  ]) {
    const { code, stderr } = await mvm(argv);
    expect({ code, stderr }).toMatchObject({ code: 64 });
    expect(stderr).toMatch(
      /InvalidArgumentError \[INVALID_ARGUMENT\]: Cannot attach a terminal .*stdin is not a terminal\nhint/,
    );
    expect((await mvm([...argv.slice(0, 1), "--json", ...argv.slice(1)])).code).toBe(64);
  }
});
