import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox } from "@mvm/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { root, text, useScene } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;
let host: string;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "copies" });
  host = mkdtempSync(join(tmpdir(), "mvm-copies-"));
});
afterAll(() => rmSync(host, { recursive: true, force: true }));

const cp = (args: readonly string[], env: Record<string, string> = {}) =>
  cli(["cp", ...args], { home: scene.home, env });

describe("H-01 H-05 copying out a tree that means harm", () => {
  it("H-01 links out of it, absolute links, hard links, devices, FIFOs, setuid: only files and inner links arrive", async () => {
    await text(
      sandbox,
      [
        "mkdir -p evil/sub/deep && cd evil && echo plain > plain && echo run > sub/tool && chmod 4755 sub/tool",
        "ln -s /etc/passwd absolute; ln -s ../../../../../../etc/passwd upwards; ln -s / whole; ln -s plain inner; ln -s ../plain sub/inner",
        "ln -s loop loop; ln -s /nowhere dangling; ln plain hard; mkfifo fifo",
        "python3 -c 'import socket;socket.socket(socket.AF_UNIX).bind(\"sock\")'",
        "printf x > 'new\nline'; printf x > \"$(printf 'esc\\033[31m')\"; printf x > '..hidden'; printf x > 'back\\\\slash'",
      ].join("\n"),
    );
    await text(sandbox, "mknod /home/user/evil/device c 1 3; ln /etc/hostname /home/user/evil/hostname", root);
    const out = join(host, "out");
    const { stderr, stdout } = await cp(["-r", "copies:evil", out]);
    const arrived = readdirSync(out, { recursive: true, encoding: "utf8" }).sort();
    expect(arrived.filter((name) => /absolute|upwards|whole|dangling|fifo|sock|device/.test(name))).toEqual([]);
    expect(arrived).toEqual(
      expect.arrayContaining(["plain", "hard", "sub/tool", "..hidden", "new\nline", "back\\\\slash"]),
    );
    for (const name of arrived) {
      const stat = lstatSync(join(out, name));
      expect([name, stat.isFile() || stat.isDirectory() || stat.isSymbolicLink()]).toEqual([name, true]);
      expect(stat.mode & 0o7000, name).toBe(0);
      if (stat.isFile()) expect(stat.nlink, name).toBe(1);
    }
    for (const name of ["absolute", "upwards", "fifo", "device", "sock"])
      expect(stderr + stdout.toString()).toContain(name);
    expect(stderr + stdout.toString()).not.toContain("\u001b[31m");
    expect(readdirSync(host)).toEqual(["out"]);
  });

  it("H-02 a destination that holds planted links is not written through", async () => {
    const secret = join(host, "secret");
    mkdirSync(secret);
    writeFileSync(join(secret, "authorized_keys"), "mine");
    await text(sandbox, "mkdir -p tree/ssh && echo evil > tree/ssh/authorized_keys && echo evil > file");
    const planted = join(host, "planted");
    mkdirSync(join(planted, "tree"), { recursive: true });
    symlinkSync(secret, join(planted, "tree", "ssh"));
    symlinkSync(join(secret, "authorized_keys"), join(planted, "file"));
    await cp(["-r", "copies:tree", planted]);
    await cp(["copies:file", join(planted, "file")]);
    expect(readdirSync(secret)).toEqual(["authorized_keys"]);
    expect(readFileSync(join(secret, "authorized_keys"), "utf8")).toBe("mine");
  });

  it("H-03 a racer in the guest that exchanges a directory and a link to the system: its own content or nothing", async () => {
    await text(
      sandbox,
      "mkdir -p race/real && for n in 1 2 3 4 5 6 7 8 9; do echo mine > race/real/$n; done; ln -s /etc race/link",
    );
    const exchange =
      "import ctypes\nc=ctypes.CDLL(None)\nwhile True: c.renameat2(-100,b'race/real',-100,b'race/link',2)";
    const racer = await sandbox.commands.start(["python3", "-c", exchange]);
    for (let round = 0; round < 5; round++) {
      const out = join(host, `raced-${round}`);
      await cp(["-r", "copies:race", out]);
      if (!existsSync(out)) continue;
      for (const name of readdirSync(out, { recursive: true, encoding: "utf8" })) {
        const path = join(out, name);
        if (lstatSync(path).isFile()) expect(readFileSync(path, "utf8"), name).toBe("mine\n");
      }
    }
    await racer.kill("SIGKILL");
  });

  it("H-04 more bytes, entries or levels than allowed: refused, and no partial result under the final name", async () => {
    await text(
      sandbox,
      "mkdir -p huge many deep && truncate -s 1T huge/sparse && for n in $(seq 60); do : > many/$n; done",
    );
    await text(
      sandbox,
      "python3 -c \"import os\nos.chdir('deep')\nfor n in range(300): os.mkdir('d'); os.chdir('d')\"",
    );
    for (const [name, limit] of [
      ["huge", "--max-size=8M"],
      ["many", "--max-entries=50"],
      ["deep", "--max-size=8M"],
    ] as const) {
      const before = readdirSync(host);
      const { code, stderr } = await cp(["-r", limit, `copies:${name}`, join(host, name)]);
      expect([name, code === 0, stderr]).toEqual([name, false, expect.stringMatching(/more than|deep/)]);
      expect(readdirSync(host)).toEqual(before);
    }
    expect(await text(sandbox, "echo alive")).toBe("alive");
  });
});

describe("H-06 H-07 H-08 copying in", () => {
  it("H-06 links of the source are not followed", async () => {
    const source = join(host, "source");
    mkdirSync(source);
    writeFileSync(join(host, "credentials"), "canary-credential");
    writeFileSync(join(source, "good"), "good");
    symlinkSync(join(host, "credentials"), join(source, "link"));
    symlinkSync("/etc", join(source, "directory"));
    await cp(["-r", source, "copies:/home/user/in"]);
    expect(await sandbox.files.read("in/good")).toBe("good");
    expect(await text(sandbox, "grep -rl canary-credential in /tmp 2>/dev/null | wc -l; find in -type f | wc -l")).toBe(
      "0\n1",
    );
  });

  it("H-07 the system, the home, credentials and our own state are refused by policy", async () => {
    const home = join(host, "home");
    mkdirSync(join(home, ".ssh"), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, ".ssh", "id"), "canary");
    symlinkSync(join(home, ".ssh"), join(host, "alias"));
    for (const source of [
      "/",
      home,
      join(home, ".ssh"),
      join(home, ".ssh", "id"),
      scene.home,
      join(scene.home, "run"),
      join(host, "alias", "id"),
    ]) {
      const { code, stderr } = await cp(["-r", source, "copies:/home/user/stolen"], { HOME: home });
      expect([source, code, /canary/.test(stderr)]).toEqual([source, source === "/" ? 64 : 77, false]);
    }
    expect(await sandbox.files.exists("stolen")).toBe(false);
  });

  it("H-08 nothing is run to copy: trojans in front of PATH, in the guest and on the host, stay asleep", async () => {
    const bin = join(host, "bin");
    mkdirSync(bin);
    for (const name of ["tar", "gzip", "cp", "scp", "rsync", "cat", "sh", "bash"]) {
      writeFileSync(join(bin, name), `#!/usr/bin/perl\nopen(F, ">", "${join(host, "trojan-ran")}");\n`);
      chmodSync(join(bin, name), 0o755);
    }
    await text(
      sandbox,
      "for n in tar gzip cp cat; do printf '#!/bin/sh\\necho ran > /tmp/trojan-ran\\n' > /usr/local/bin/$n; chmod 755 /usr/local/bin/$n; done",
      root,
    );
    writeFileSync(join(host, "file"), "content");
    const program = join(import.meta.dirname, "../../packages/cli/dist/mvmctl.js");
    expect(statSync(program).isFile()).toBe(true);
    // The launcher is a script of the shell and sets up what is missing; what copies is the program behind it.
    const env = { ...process.env, MVM_HOME: scene.home, PATH: `${bin}:${process.env["PATH"]}` };
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [program, "cp", ...args], { env, encoding: "utf8", timeout: 100_000 });
    expect(run(join(host, "file"), "copies:/home/user/copied")).toMatchObject({ status: 0 });
    expect(run("copies:/home/user/copied", join(host, "back"))).toMatchObject({ status: 0 });
    expect(readFileSync(join(host, "back"), "utf8")).toBe("content");
    expect(existsSync(join(host, "trojan-ran"))).toBe(false);
    expect(await sandbox.files.exists("/tmp/trojan-ran")).toBe(false);
  });
});
