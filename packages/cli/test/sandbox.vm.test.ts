import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { machinesOf, makeHome } from "../../../tests/support/home.js";
import { documentOf, run, start } from "./support/cli.js";

let made: ReturnType<typeof makeHome>;
let work = "";
const mvm = (argv: readonly string[], stdin?: string | Buffer) =>
  run(argv, { home: made.home, timeoutMs: 110_000, ...(stdin === undefined ? {} : { stdin }) });
const begin = (argv: readonly string[]) => start(argv, { home: made.home }, ["ignore", "pipe", "pipe"]);
const text = async (argv: readonly string[], stdin?: string) => (await mvm(argv, stdin)).stdout.toString();

beforeAll(async () => {
  made = makeHome();
  work = mkdtempSync(join(tmpdir(), "mvmctl-vm-"));
  const up = await mvm(["up", "box", "--ttl", "20m", "--json"]);
  expect(up.stderr).not.toContain("mvmctl: Vm");
  expect(documentOf(up)).toMatchObject({ name: "box", state: "running", detached: true });
});
afterAll(() => {
  made.remove();
  rmSync(work, { recursive: true, force: true });
});

async function noMachineBut(count: number): Promise<void> {
  for (let tries = 0; tries < 100 && machinesOf(made.home).length > count; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(machinesOf(made.home).length).toBe(count);
}

describe("a named sandbox", () => {
  test("runs commands with stdin, environment, directory and user, and keeps what they leave", async () => {
    expect(await text(["exec", "box", "--", "cat"], "through\n")).toBe("through\n");
    const words = [
      "exec",
      "--user",
      "root",
      "box",
      "--cwd",
      "/tmp",
      "--env",
      "K=a=b",
      "--",
      "sh",
      "-c",
      'id -un; pwd; echo "$K"',
    ];
    expect(await text(words)).toBe("root\n/tmp\na=b\n");
    await mvm(["exec", "box", "--", "sh", "-c", "echo kept > note"]);
    expect(await text(["fs", "read", "box", "note"])).toBe("kept\n");
    expect((await mvm(["exec", "box", "--", "sh", "-c", "exit 9"])).code).toBe(9);
  });

  test("writes, lists, describes, moves and removes files", async () => {
    const data = randomBytes(2_000_000);
    expect((await mvm(["fs", "write", "box", "a/b/data", "--mode", "600"], data)).code).toBe(0);
    expect((await mvm(["fs", "read", "box", "a/b/data"])).stdout.equals(data)).toBe(true);
    expect(documentOf(await mvm(["fs", "stat", "box", "a/b/data", "--json"]))).toMatchObject({
      size: 2_000_000,
      mode: 0o600,
      type: "file",
    });
    expect((await mvm(["fs", "mv", "box", "a/b/data", "a/c"])).code).toBe(0);
    expect(await text(["fs", "ls", "box", "a", "--quiet"])).toBe("b\nc\n");
    expect((await mvm(["fs", "rm", "box", "a"])).code).toBe(64);
    expect((await mvm(["fs", "rm", "-r", "box", "a"])).code).toBe(0);
    expect((await mvm(["fs", "read", "box", "a/c"])).code).toBe(64);
    expect((await mvm(["fs", "read", "box", "/proc/self/environ"])).code).toBe(77);
  });

  test("names that control terminals come back as they are in JSON and escaped on a terminal", async () => {
    const name = "a\u001b]0;x\u0007\nb";
    await mvm(["exec", "box", "--", "sh", "-c", 'mkdir -p odd; : > "odd/$0"', name]);
    const { entries } = documentOf(await mvm(["fs", "ls", "box", "odd", "--json"])) as { entries: { name: string }[] };
    expect(entries.map((entry) => entry.name)).toEqual([name]);
    expect(await text(["fs", "ls", "box", "odd"])).toContain("a\\x1b]0;x\\x07\\nb");
  });

  test("trees go in and come out the same, and what would escape is left out", async () => {
    const source = join(work, "src");
    mkdirSync(join(source, "deep/er"), { recursive: true });
    writeFileSync(join(source, "big"), randomBytes(3_000_000));
    writeFileSync(join(source, "deep/er/x"), "x", { mode: 0o755 });
    writeFileSync(join(source, "empty"), "");
    symlinkSync("deep/er/x", join(source, "link"));
    expect((await mvm(["cp", "-r", source, "box:tree"])).code).toBe(0);
    await mvm([
      "exec",
      "box",
      "--",
      "sh",
      "-c",
      "cd tree; ln -s /etc/passwd out; ln -s ../../.. up; mkfifo fifo; chmod u+s big",
    ]);
    const back = join(work, "back");
    const copied = documentOf(await mvm(["cp", "-r", "box:tree", back, "--json"])) as { skipped: { path: string }[] };
    expect(copied.skipped.map(({ path }) => path).sort()).toEqual(["tree/fifo", "tree/out", "tree/up"]);
    expect(readdirSync(back).sort()).toEqual(["big", "deep", "empty", "link"]);
    expect(readFileSync(join(back, "big")).equals(readFileSync(join(source, "big")))).toBe(true);
    expect(lstatSync(join(back, "big")).mode & 0o7000).toBe(0);
    expect(lstatSync(join(back, "deep/er/x")).mode & 0o777).toBe(0o755);
    expect(readdirSync(work).sort()).toEqual(["back", "src"]);
  });

  test("a tree that is too large leaves nothing", async () => {
    await mvm([
      "exec",
      "box",
      "--",
      "sh",
      "-c",
      "mkdir -p many; cd many; seq 1 300 | xargs touch; truncate -s 1T sparse",
    ]);
    expect((await mvm(["cp", "-r", "--max-entries", "100", "box:many", join(work, "many")])).code).toBe(77);
    expect((await mvm(["cp", "--max-size", "8M", "box:many/sparse", join(work, "sparse")])).code).toBe(77);
    expect(readdirSync(work).filter((name) => name !== "back" && name !== "src")).toEqual([]);
  });

  test("is listed, given more time, explained and logged", async () => {
    const { sandboxes } = documentOf(await mvm(["ls", "--json"])) as { sandboxes: { name: string }[] };
    expect(sandboxes.map(({ name }) => name)).toEqual(["box"]);
    expect(documentOf(await mvm(["ttl", "box", "2h", "--json"]))).toMatchObject({ name: "box" });
    expect(documentOf(await mvm(["boot-report", "box", "--json"]))).toMatchObject({
      start: expect.any(String) as string,
    });
    expect((await mvm(["logs", "box", "--json"])).code).toBe(0);
    expect((await mvm(["up", "box"])).code).toBe(64);
  });
});

describe("a command that is given up", () => {
  const endless = ["run", "--", "sh", "-c", "echo begun; sleep 600"];

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGKILL", null],
  ] as const)("%s leaves no machine", async (signal, code) => {
    const child = begin(endless);
    await once(child.stdout!, "data");
    child.kill(signal);
    expect((await once(child, "exit"))[0]).toBe(code);
    await noMachineBut(1);
  });

  test("a reader that goes away leaves no machine", async () => {
    const child = begin(["run", "--", "yes"]);
    await once(child.stdout!, "data");
    child.stdout!.destroy();
    expect((await once(child, "exit"))[0]).toBe(141);
    await noMachineBut(1);
  });

  test("interrupting exec kills the command and not the sandbox", async () => {
    const child = begin(["exec", "box", "--", "sh", "-c", "echo begun; exec sleep 654"]);
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    expect((await once(child, "exit"))[0]).toBe(130);
    const left =
      "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null | grep -c '^sleep 654' || true";
    for (let tries = 0; tries < 40 && (await text(["exec", "box", "--", "sh", "-c", left])) !== "0\n"; tries++);
    expect(await text(["exec", "box", "--", "sh", "-c", left])).toBe("0\n");
  });
});

test("a sandbox that is stopped and destroyed says so", async () => {
  expect(documentOf(await mvm(["stop", "box", "--json"]))).toMatchObject({ state: "stopped" });
  expect((await mvm(["exec", "box", "--", "true"])).code).toBe(69);
  expect(documentOf(await mvm(["destroy", "box", "--json"]))).toMatchObject({ destroyed: true });
  expect(documentOf(await mvm(["rm", "box", "--json"]))).toMatchObject({ destroyed: false });
  expect((await mvm(["inspect", "nobody"])).code).toBe(69);
  await noMachineBut(0);
  expect(documentOf(await mvm(["daemon", "stop", "--json"]))).toEqual({
    schema_version: 1,
    running: false,
    stopping: true,
  });
  expect((await mvm(["daemon", "status"])).code).toBe(69);
});
