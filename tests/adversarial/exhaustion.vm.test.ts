import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "@mvm/sdk";
import { beforeAll, describe, expect, it } from "vitest";
import { growthMb, root, sh, text, until, useScene } from "../support/scene.js";

const scene = useScene();
const MiB = 2 ** 20;
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ memoryMb: 256, diskMb: 512 });
});

/** The agent answers and the sandbox runs commands. */
async function alive(): Promise<void> {
  expect((await sandbox.metrics()).state).toBe("running");
  expect(await text(sandbox, "echo alive")).toBe("alive");
}

describe("R-01 processes and threads without end", () => {
  it.each([
    ["a fork bomb of the user", ["perl", "-e", "fork while 1"], "user"],
    ["a fork bomb of root", ["perl", "-e", "fork while 1"], "root"],
    [
      "a fork bomb whose members sleep",
      ["perl", "-e", "while (1) { my $p = fork; sleep 600 if defined $p && !$p; sleep 1 if !defined $p }"],
      "user",
    ],
    [
      "a thread bomb",
      [
        "python3",
        "-c",
        "import threading,time\nwhile True:\n  try: threading.Thread(target=time.sleep,args=(600,),daemon=True).start()\n  except Exception: time.sleep(0.1)",
      ],
      "user",
    ],
    [
      "a bomb that leaves its session",
      ["perl", "-MPOSIX", "-e", "while (1) { if (!fork) { setsid; sleep 600 } }"],
      "user",
    ],
  ])(
    "R-01 %s is capped, the agent answers meanwhile, and its time limit ends all of it",
    { timeout: 180_000 },
    async (_what, argv, user) => {
      const bomb = await sandbox.commands.start(argv, { user, timeoutSeconds: 6 });
      const during = await sandbox.metrics();
      expect(during.state).toBe("running");
      const listed = await sandbox.commands.list();
      expect(listed.filter(({ running }) => running)).toHaveLength(1);
      expect(await bomb.wait()).toMatchObject({ timedOut: true });
      await until("the bomb is gone", async () => Number(await text(sandbox, "ls -d /proc/[0-9]* | wc -l")) < 120);
      await alive();
    },
  );
});

describe("R-02 memory without end", () => {
  it.each([
    ["by the user", "user", "x = []\nwhile True: x.append(bytearray(b'x') * (4 << 20))"],
    ["by root", "root", "x = []\nwhile True: x.append(bytearray(b'x') * (4 << 20))"],
    [
      "in a memory file system",
      "user",
      "f = open('/dev/shm/x', 'wb')\nwhile True: f.write(b'x' * (1 << 20)); f.flush()",
    ],
  ])(
    "R-02 a memory bomb %s: killed and said so, the agent survives",
    { timeout: 180_000 },
    async (_how, user, code) => {
      const result = await sandbox.commands.run(["python3", "-c", code], { user, timeoutSeconds: 60 });
      if (result.stderr.includes("No space left")) expect(result.exitCode).toBe(1);
      else expect(result).toMatchObject({ oomKilled: true, exitCode: 137, signal: "SIGKILL", timedOut: false });
      await sh(sandbox, "rm -f /dev/shm/x", root);
      await alive();
      expect(await sh(sandbox, "true")).toMatchObject({ oomKilled: false, exitCode: 0 });
    },
  );

  it(
    "R-02 a child that is killed for memory does not condemn a command that copes with it",
    { timeout: 120_000 },
    async () => {
      const bomb = "python3 -c 'x = []\nwhile True: x.append(bytearray(b\"x\") * (4 << 20))'";
      const result = await sh(sandbox, `${bomb}; echo "child $?"; exit 7`, { timeoutSeconds: 60 });
      expect(result).toMatchObject({ exitCode: 7, signal: null, stdout: "child 137\n" });
      await alive();
    },
  );
});

describe("R-04 the disk is filled", () => {
  it(
    "R-04 ENOSPC in the guest; the host's file stays within what was declared; room again after deletion",
    { timeout: 240_000 },
    async () => {
      const vm = join(scene.directory(sandbox), "vm");
      const onHost = (): number => Math.max(...readdirSync(vm).map((name) => statSync(join(vm, name)).blocks * 512));
      const fill = await sh(sandbox, "dd if=/dev/zero of=fill bs=1M; dd if=/dev/zero of=fill2 bs=4k; sync", {
        timeoutSeconds: 150,
      });
      expect(fill.stderr).toContain("No space left");
      expect(await text(sandbox, "df --output=avail / | tail -1")).toMatch(/^\s*\d{1,3}$/);
      expect(onHost()).toBeLessThan((512 + 64) * MiB);
      await alive();
      await text(sandbox, "rm fill fill2; echo room > after; cat after");
      for (let round = 0; round < 3; round++)
        await text(sandbox, "dd if=/dev/urandom of=again bs=1M count=40 2>/dev/null; sync; rm again", {
          timeoutSeconds: 100,
        });
      expect(onHost()).toBeLessThan((512 + 64) * MiB);
    },
  );
});

describe("R-05 everything else there is only so much of", () => {
  it("R-05 inodes: a memory file system without any, since filling those of the disk takes minutes under emulation", async () => {
    const mount =
      "python3 -c \"import ctypes;assert ctypes.CDLL(None).mount(b'n', b'few', b'tmpfs', 0, b'nr_inodes=100,mode=777') == 0\"";
    await text(sandbox, `mkdir -p few; ${mount}`, root);
    const { stdout } = await sh(sandbox, "n=0; while touch few/$n 2>/dev/null; do n=$((n+1)); done; echo $n");
    expect(Number(stdout)).toBeLessThan(100);
    await alive();
    expect(await sandbox.files.remove("few/0")).toBe(1);
    expect(await sandbox.files.write("few/again", "x")).toMatchObject({ bytes: 1 });
  });

  it.each([
    ["descriptors", "import os\nl=[]\nwhile True: l.append(os.open('/dev/null',0))"],
    [
      "pipes filled to the brim",
      "import os\nwhile True:\n  r,w=os.pipe(); os.set_blocking(w,False); os.write(w,b'x'*65536)",
    ],
    ["terminals", "import os\nl=[]\nwhile True: l.append(os.openpty())"],
    ["sockets", "import socket\nl=[]\nwhile True: l.append(socket.socketpair())"],
    [
      "inotify watches",
      "import ctypes,os\nc=ctypes.CDLL(None)\nwhile True:\n  if c.inotify_init1(0)<0: raise OSError('no more')",
    ],
    ["shared memory", "import mmap,os\nl=[]\nwhile True: l.append(mmap.mmap(-1, 1<<30))"],
  ])("R-05 %s: the program that takes them all fails, and nobody else", { timeout: 120_000 }, async (_what, code) => {
    const result = await sandbox.commands.run(["python3", "-c", code], { timeoutSeconds: 20, maxOutputBytes: 4096 });
    expect(result.exitCode).not.toBe(0);
    await alive();
    await sandbox.files.write("still", "writable");
    const terminal = await sandbox.commands.start(["echo", "terminal"], { pty: { rows: 24, cols: 80 } });
    expect((await terminal.wait()).exitCode).toBe(0);
  });

  it("R-05 a hundred commands at once, and more than may run", { timeout: 180_000 }, async () => {
    const many = await Promise.allSettled(
      Array.from({ length: 280 }, () => sandbox.commands.run(["sleep", "8"], { timeoutSeconds: 60 })),
    );
    const codes = new Set(
      many.map((one) => (one.status === "fulfilled" ? one.value.exitCode : (one.reason as { code: string }).code)),
    );
    expect([...codes].filter((code) => ![0, "GUEST_LIMIT"].includes(code as never))).toEqual([]);
    expect(many.filter((one) => one.status === "fulfilled").length).toBeGreaterThanOrEqual(100);
    await alive();
  });
});

describe("R-06 all processors busy", () => {
  it("R-06 a sandbox beside one that spins still answers", async () => {
    const spinning = await scene.sandbox({ memoryMb: 256, diskMb: 512 });
    const spin = spinning.commands.run("while :; do :; done", { timeoutSeconds: 5 });
    for (let round = 0; round < 5; round++) expect(await text(sandbox, "echo neighbour")).toBe("neighbour");
    expect(await spin).toMatchObject({ timedOut: true });
    await spinning.destroy();
  });
});

describe("R-08 the guest's clock is set to 1970 and to 2100", () => {
  it("R-08 time limits, durations and time to live go by the host's clock", { timeout: 120_000 }, async () => {
    const lived = await scene.sandbox({ memoryMb: 256, diskMb: 512, ttlSeconds: 600 });
    for (const time of ["@86400", "@4102444800"]) {
      await text(lived, `date -s ${time}`, root);
      const result = await sh(lived, "sleep 600", { timeoutSeconds: 1 });
      expect(result).toMatchObject({ timedOut: true, exitCode: 124 });
      expect(result.durationMs).toBeGreaterThan(900);
      expect(result.durationMs).toBeLessThan(60_000);
      const command = await lived.commands.start(["sleep", "60"]);
      const listed = (await lived.commands.list()).find(({ pid }) => pid === command.pid);
      expect(Math.abs(Date.parse(listed!.startedAt) - Date.now())).toBeLessThan(120_000);
      await command.kill("SIGKILL");
      const left = Date.parse((await lived.status()).expiresAt!) - Date.now();
      expect(left).toBeGreaterThan(300_000);
      expect(left).toBeLessThanOrEqual(600_000);
    }
    await lived.setTtl(2);
    await until(
      "it is destroyed at the end of its time",
      async () => (await scene.api.json("GET", `/v1/sandboxes/${lived.id}`)).body.state !== "running",
    );
  });
});

describe("R-07 the daemon meanwhile", () => {
  it("R-07 its memory is where it was after all of this", async () => {
    const grown = await growthMb(scene.daemon(), () => alive());
    expect(grown).toBeLessThan(32);
  });
});
