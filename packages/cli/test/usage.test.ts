import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documentOf, program, run } from "./support/cli.js";
import { failure, StandingDaemon } from "./support/standing-daemon.js";

let home = "";
let daemon: StandingDaemon;
beforeAll(async () => {
  daemon = await StandingDaemon.start({ "*": failure("SandboxUnavailable", "SANDBOX_NOT_FOUND", 404) });
  home = daemon.home;
});
afterAll(() => daemon.stop());

describe("usage errors exit with 64 and print one document with --json", () => {
  test.each([
    [["lss"], "Did you mean `mvmctl ls`?"],
    [["run"], "Put it after `--`"],
    [["run", "--"], "Put it after `--`"],
    [["run", "--cpsu", "2", "--", "x"], "Did you mean `--cpus`?"],
    [["run", "--cpus"], "hint:"],
    [["run", "--cpus", "two", "--", "x"], "whole number"],
    [["run", "--cpus", "-1", "--", "x"], 'Cannot use "-1" as --cpus: it is not a whole number from 1 to'],
    [["run", "--cpus", "--memory", "1G", "--", "x"], "Cannot read --cpus: it needs a value"],
    [["ttl", "box", "-5m"], 'Cannot use "-5m" as ttl'],
    [["ports", "rm", "box", "-1"], '"-1"'],
    [["pool", "set", "python", "-1"], 'Cannot use "-1" as'],
    [["run", "--cpus", "1", "--cpus", "2", "--", "x"], "2 times"],
    [["run", "--memory", "12Q", "--", "x"], "size"],
    [["run", "--timeout", "0s", "--", "x"], "timeout"],
    [["run", "--timeout", "5", "--", "x"], "5s for seconds"],
    [["run", "--profile", "standrad", "--", "x"], 'Did you mean "standard"?'],
    [["run", "--allow-host", "https://x.com/", "--", "x"], "HOST"],
    [["run", "--add-dir", "x", "--", "x"], "HOST:GUEST"],
    [["run", "--add-dir", "/x:/y:rx", "--", "x"], "HOST:GUEST"],
    [["run", "--env", "1A=b", "--", "x"], "Cannot read --env: cannot set"],
    [["run", "--json=1", "--", "x"], "takes no value"],
    [["run", "-j", "--", "x"], "unknown option"],
    [["run", ""], "program is empty"],
    [["up"], "NAME is missing"],
    [["up", "-rf"], "unknown option"],
    [["up", "--", "-rf"], "name"],
    [["up", "../x"], "name"],
    [["up", "a".repeat(64)], "name"],
    [["up", "e\u{1f600}"], "name"],
    [["up", "x", "--ttl", "0s"], "ttl"],
    [["ls", "extra"], "one word too many"],
    [["exec"], "NAME is missing"],
    [["exec", "box"], "no command is given"],
    [["fs"], "needs a verb"],
    [["fs", "raed"], "fs read"],
    [["fs", "read", "box"], "PATH is missing"],
    [["fs", "read", "box", "../x"], "path"],
    [["cp", "a", "b"], "exactly one"],
    [["cp", "a:x", "b:y"], "exactly one"],
    [["completion", "tcsh"], "bash, zsh, fish"],
    [["--", "run"], "no verb"],
    [["--nope"], "unknown option"],
    [["run", "--mode", "live", "--", "x.rb"], "does not end in"],
  ])("%j", async (argv, words) => {
    const plain = await run(argv, { home });
    expect(plain.code).toBe(64);
    expect(plain.stdout.length).toBe(0);
    expect(plain.stderr).toMatch(/^mvmctl: \w+ \[\w+\]: .+\nhint: .+\n$/s);
    expect(plain.stderr).toContain(words);
    expect(plain.stderr).not.toMatch(/\n\s+at /);
    const ran = await run(["--json", ...argv], { home });
    expect(ran.code).toBe(64);
    expect(documentOf(ran).error?.name).toMatch(/Error$/);
  });
});

test("no message repeats the value of a variable or of a mistyped secret", async () => {
  for (const argv of [
    ["run", "--env", "1BAD=hunter2", "--", "x"],
    ["run", "--secret", "KEY=hunter2 secret", "--", "x"],
    ["run", "--secret", "hunter2", "--", "x"],
  ]) {
    const ran = await run(argv, { home });
    expect(ran.code).toBe(64);
    expect(ran.stderr).not.toContain("hunter2");
  }
});

test("what this version cannot do is BackendUnsupported and names the feature", async () => {
  for (const [option, ...value] of [
    ["receipt", "r.json"],
    ["timeout", "5s"],
  ]) {
    const ran = await run(["up", "--json", `--${option}`, ...value, "box"], { home });
    expect(ran.code).toBe(78);
    expect(documentOf(ran).error).toMatchObject({ name: "BackendUnsupported", feature: option });
  }
});

test("without words it shows the short help and exits with 0", async () => {
  const ran = await run([]);
  expect(ran.code).toBe(0);
  expect(ran.stdout.toString()).toContain("mvmctl run -- python3");
});

test("--version prints the version, as a document with --json", async () => {
  expect((await run(["--version"])).stdout.toString()).toMatch(/^mvmctl \d+\.\d+\.\d+\n$/);
  expect(documentOf(await run(["--version", "--json"]))).toMatchObject({ schema_version: 1 });
});

test("--help works on an incomplete line, before and after the verb, and as a document", async () => {
  expect((await run(["exec", "--help"])).stdout.toString()).toContain("Usage: mvmctl exec [OPTIONS] NAME -- ARGV…");
  expect((await run(["--help", "exec"])).stdout.toString()).toContain("Usage: mvmctl exec");
  expect((await run(["fs", "--help"])).stdout.toString()).toContain("Usage: mvmctl fs VERB");
  expect(documentOf(await run(["exec", "-h", "--json"]))).toMatchObject({ command: "mvmctl exec" });
});

test("a stack is shown only with --debug", async () => {
  expect((await run(["ls"], { home })).stderr).not.toContain("    at ");
  expect((await run(["ls", "--debug"], { home })).stderr).toContain("    at ");
  expect((await run(["ls"], { home, env: { MVM_DEBUG: "1" } })).stderr).toContain("GET /sandboxes");
});

test("a state root that others can write to is refused", async () => {
  const ran = await run(["ls", "--json"], { home: "/tmp" });
  expect(documentOf(ran).error?.name).toBe("VmConfigError");
  expect(ran.code).toBe(64);
});

test("help is a verb, alone and with another", async () => {
  const overview = (await run(["--help"])).stdout.toString();
  expect((await run(["help"])).stdout.toString()).toBe(overview);
  expect((await run(["help", "exec"])).stdout.toString()).toContain("Usage: mvmctl exec [OPTIONS] NAME -- ARGV…");
  expect((await run(["help", "fs"])).stdout.toString()).toContain("Usage: mvmctl fs VERB");
  const wrong = await run(["help", "bogus", "--json"]);
  expect({ code: wrong.code, error: documentOf(wrong).error?.code }).toEqual({ code: 64, error: "USAGE" });
});

test("of a removed working directory it is said that it is gone", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "mvm-cwd-"));
  const script = `rmdir "$PWD"; exec "$0" "$1" cp --json here some:/file`;
  const { stdout, status } = spawnSync("sh", ["-c", script, process.execPath, program()], {
    ...{ cwd, encoding: "utf8", env: { ...process.env, MVM_HOME: "/nonexistent" } },
  });
  expect(status).toBe(64);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "INVALID_ARGUMENT" } });
  expect(stdout).toContain("the working directory is no longer there");
});

test("an empty state root is told about without a daemon", async () => {
  const empty = join(mkdtempSync(join(tmpdir(), "mvm-empty-")), "home");
  const answers = {
    ls: { sandboxes: [] },
    "snapshot ls": { snapshots: [] },
    "image ls": { images: [] },
    "pool ls": { pools: [] },
    "secret ls": { secrets: [] },
    "secret rm x": { removed: false },
    "snapshot prune --keep-last 1": { snapshots: [] },
    gc: { removed: [], bytes: 0 },
    "daemon status": { running: false },
    "daemon stop": { running: false, stopping: false },
  };
  const env = { MVM_DAEMON: "/nonexistent/daemon" };
  for (const [line, answer] of Object.entries(answers)) {
    const ran = await run([...line.split(" "), "--json"], { home: empty, env });
    expect({ line, ...documentOf(ran) }).toMatchObject({ line, ...answer });
  }
  const absent = {
    SANDBOX_NOT_FOUND: [
      ...["inspect x", "stop x", "destroy x", "exec x -- true", "logs x", "fork x", "ttl x 1h", "detach x --ttl 1h"],
      ...["fs ls x", "fs read x a", "cp x:/a b", "ports ls x", "ports rm x 80"],
    ],
    SNAPSHOT_NOT_FOUND: ["inspect x", "verify x", "rm x", "export x y.tar", "restore x"].map(
      (line) => `snapshot ${line}`,
    ),
    ASSET_NOT_FOUND: ["image inspect x", "image rm a/b:c", "snapshot export --template x y.tar"],
  };
  for (const [error, lines] of Object.entries(absent)) {
    for (const line of lines) {
      const ran = await run(["--json", ...line.split(" ")], { home: empty, env });
      expect({ line, code: ran.code, error: documentOf(ran).error?.code }).toEqual({ line, code: 69, error });
    }
  }
  expect(existsSync(empty)).toBe(false);
});

test("what can only be refused is offered by neither help nor completion", async () => {
  const help = (await run(["up", "--help"])).stdout.toString();
  for (const option of ["--timeout", "--cwd", "--user", "--receipt"]) expect(help).not.toContain(option);
  expect(help).toMatch(/default:\s+standard/);
  expect((await run(["run", "--help"])).stdout.toString()).toMatch(/default:\s+restrictive/);
});
