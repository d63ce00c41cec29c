import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { SandboxUnavailable, VmConfigError } from "@mvm/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DaemonClient, homePaths, launchDaemon, probe, resolveHome } from "../../src/client/index.js";
import { temporaryHome } from "../support/fake-daemon.js";

/** A daemon that writes its pid, serves the version and dies with its socket's directory. */
const source = `
import { createServer } from "node:http";
import { appendFileSync, existsSync } from "node:fs";
const home = process.env.MVM_HOME;
appendFileSync(home + "/started", process.pid + " " + Object.keys(process.env).join(",") + "\\n");
await new Promise((done) => setTimeout(done, 200));
createServer((_, response) => response.end(JSON.stringify({ version: "0.0.0", pid: process.pid })))
  .listen(home + "/run/mvmd.sock");
setInterval(() => existsSync(home) || process.exit(), 50);
`;

let home: string;
beforeEach(() => {
  home = temporaryHome();
  writeFileSync(join(home, "daemon.mjs"), source);
  process.env["MVM_DAEMON"] = join(home, "daemon.mjs");
});
afterEach(() => {
  delete process.env["MVM_DAEMON"];
  rmSync(home, { recursive: true, force: true });
});

const starts = () => readFileSync(join(home, "started"), "utf8").trim().split("\n");

describe("launching the daemon", () => {
  test("a first call starts it, a second one finds it", async () => {
    const call = { method: "GET", path: "/version", operation: "daemon.version" } as const;
    const first = await new DaemonClient({ home }).json<{ pid: number }>(call);
    expect(await new DaemonClient({ home }).json(call)).toEqual(first);
    expect(starts()).toHaveLength(1);
  });

  test("100 clients at once get one daemon", async () => {
    const clients = Array.from({ length: 100 }, () => launchDaemon(homePaths(home)));
    await Promise.all(clients);
    expect(starts()).toHaveLength(1);
  });

  test("clients of several processes get one daemon", async () => {
    const module = JSON.stringify(new URL("../../dist/client/index.js", import.meta.url).href);
    const script = `const { DaemonClient } = await import(${module}); const v = await new DaemonClient().start(); console.log(v.pid);`;
    const run = () =>
      new Promise<string>((done) => {
        const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
          env: { ...process.env, MVM_HOME: home },
          stdio: ["ignore", "pipe", "inherit"],
        });
        let text = "";
        child.stdout.on("data", (chunk) => (text += String(chunk)));
        child.on("close", () => done(text.trim()));
      });
    const pids = new Set(await Promise.all(Array.from({ length: 6 }, run)));
    expect(pids.size).toBe(1);
    expect([...pids][0]).toMatch(/^\d+$/);
  }, 20_000);

  test("the daemon's environment holds no variables of the client's own", async () => {
    process.env["OPENAI_API_KEY"] = "secret";
    process.env["NODE_OPTIONS"] ??= "";
    await launchDaemon(homePaths(home));
    delete process.env["OPENAI_API_KEY"];
    expect(starts()[0]).not.toMatch(/OPENAI_API_KEY|NODE_OPTIONS/);
    expect(starts()[0]).toMatch(/MVM_HOME/);
  });

  test("a daemon that fails is reported at once, with its log", async () => {
    writeFileSync(join(home, "daemon.mjs"), `console.error("no luck"); process.exit(3);`);
    const error: unknown = await launchDaemon(homePaths(home)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SandboxUnavailable);
    expect(error).toMatchObject({ code: "DAEMON_UNAVAILABLE", message: "Cannot start the daemon: it ended with 3" });
    expect((error as SandboxUnavailable).hint).toContain("mvmd.log");
    expect(readFileSync(homePaths(home).daemonLog, "utf8")).toBe("no luck\n");
  });

  test("an aborted start rejects with the reason", async () => {
    const signal = AbortSignal.abort(new Error("no"));
    await expect(launchDaemon(homePaths(home), signal)).rejects.toThrow("no");
  });
});

describe("the socket's place", () => {
  const connect = () => new DaemonClient({ home }).json({ method: "GET", path: "/version", operation: "x" });

  test("a state root others can write to is refused", async () => {
    chmodSync(home, 0o777);
    await expect(connect()).rejects.toBeInstanceOf(VmConfigError);
    expect(existsSync(join(home, "started"))).toBe(false);
    chmodSync(home, 0o700);
  });

  test("a run directory that others can enter is refused, also with a server in it", async () => {
    const server = createServer().listen(join(home, "run", "mvmd.sock"));
    chmodSync(join(home, "run"), 0o755);
    await expect(connect()).rejects.toThrow(/its mode is 0755/);
    server.close();
  });

  test("a run directory that is a link is refused", async () => {
    rmSync(join(home, "run"), { recursive: true });
    mkdirSync(join(home, "elsewhere"), { mode: 0o700 });
    symlinkSync(join(home, "elsewhere"), join(home, "run"));
    await expect(connect()).rejects.toThrow(/it is a symbolic link/);
  });

  test.runIf(process.getuid?.() === 0)("another user's run directory is refused and both uids are named", async () => {
    const { chownSync } = await import("node:fs");
    chownSync(join(home, "run"), 65_534, 65_534);
    await expect(connect()).rejects.toMatchObject({ name: "SocketAuthError", expectedUid: 0, actualUid: 65_534 });
  });

  test("a path that no socket can have is refused with the numbers", async () => {
    const long = join(home, "x".repeat(100));
    await expect(new DaemonClient({ home: long }).start()).rejects.toBeInstanceOf(VmConfigError);
    await expect(new DaemonClient({ home: long }).start()).rejects.toThrow(/has 1\d\d bytes .* at most 107/);
  });

  test("a socket nobody listens on is not alive", async () => {
    expect(await probe(join(home, "run", "mvmd.sock"))).toBe(false);
  });
});

test("the state root follows MVM_HOME, XDG_DATA_HOME, home", () => {
  expect(resolveHome({ MVM_HOME: "/a", XDG_DATA_HOME: "/b" })).toBe("/a");
  expect(resolveHome({ XDG_DATA_HOME: "/b" })).toBe("/b/mvm");
  expect(resolveHome({})).toMatch(/\/\.local\/share\/mvm$/);
});
