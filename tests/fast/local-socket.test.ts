import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DaemonClient } from "@mvm/sdk/client";
import { expect, it, onTestFinished } from "vitest";
import { daemonEntry, logOf, spawnDaemon, startDaemon, stopped } from "../support/daemon.js";

const isRoot = process.getuid?.() === 0;

function temporaryHome(name = "mvm-s-"): string {
  const home = mkdtempSync(join(tmpdir(), name));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

/** What happens to whoever tries to use this home: the daemon itself, and a client that would start one. */
async function refused(
  home: string,
): Promise<{ code: number | null; stderr: string; clientError: Record<string, unknown> }> {
  const { status, stderr } = spawnSync(process.execPath, [daemonEntry], {
    env: { PATH: process.env["PATH"], HOME: home, MVM_HOME: home },
    encoding: "utf8",
    timeout: 20_000,
  });
  const clientError = await new DaemonClient({ home }).start().then(
    () => ({ code: "started" }),
    (error: Record<string, unknown>) => error,
  );
  return { code: status, stderr, clientError };
}

it("S-01 a state root that others can write to, own, or have replaced by a link is refused by daemon and client", async () => {
  const parent = temporaryHome();
  const cases: Record<string, (home: string) => void> = {
    "0777": (home) => (mkdirSync(home), chmodSync(home, 0o777)),
    "0770": (home) => (mkdirSync(home), chmodSync(home, 0o770)),
    symlink: (home) => (mkdirSync(`${home}-real`, { mode: 0o700 }), symlinkSync(`${home}-real`, home)),
    dangling: (home) => symlinkSync(`${home}-nowhere`, home),
    file: (home) => writeFileSync(home, ""),
    "run-0777": (home) => (
      mkdirSync(join(home, "run"), { recursive: true, mode: 0o700 }),
      chmodSync(join(home, "run"), 0o777)
    ),
    "run-symlink": (home) => (mkdirSync(home, { mode: 0o700 }), symlinkSync("/tmp", join(home, "run"))),
    ...(isRoot && {
      "other-owner": (home: string) => (mkdirSync(home, { mode: 0o700 }), chownSync(home, 65_534, 65_534)),
    }),
  };
  for (const [name, prepare] of Object.entries(cases)) {
    const home = join(parent, name);
    prepare(home);
    const { code, stderr, clientError } = await refused(home);
    expect(code, `${name}: ${stderr}`).not.toBe(0);
    expect(code, `${name}: ${stderr}`).not.toBeNull();
    expect(stderr, name).not.toMatch(/^\s+at /m);
    // One answer about the state root from whoever is asked; what lies in it is another matter.
    const expected = name.startsWith("run-") ? ["SOCKET_AUTH", 74] : ["VM_CONFIG", 64];
    expect([clientError["code"], code], `${name}: ${String(clientError["message"])}`).toEqual(expected);
    if (!name.startsWith("run-")) {
      expect(stderr).toContain(String(clientError["message"]));
      expect(clientError["message"]).toMatch(/^Cannot use the state root ".*": (it|others can) /);
    }
    expect(String(clientError["message"]), name).toContain(home);
  }
});

it("S-01 a state root below a directory every user can write to is refused", async () => {
  const shared = temporaryHome();
  chmodSync(shared, 0o777);
  const home = join(shared, "home");
  const { stderr } = await refused(home);
  expect(stderr).toMatch(/VM_CONFIG.*Cannot use the state root .*every user can write to/);
  // Where the sticky bit keeps others from renaming it, as in /tmp, it is fine.
  chmodSync(shared, 0o1777);
  await stopped(await startDaemon(home));
});

it("S-02 another user can neither enter nor connect nor read", async () => {
  const home = temporaryHome();
  chmodSync(home, 0o755); // the tightest point must not be the only one
  const daemon = await startDaemon(home);
  for (const path of ["run", "sandboxes", "quarantine", "logs", "tmp"])
    expect(lstatSync(join(home, path)).mode & 0o777).toBe(0o700);
  expect(lstatSync(daemon.api.socketPath).mode & 0o777).toBe(0o600);
  if (isRoot) {
    const attempt = `
      const { readdirSync, readFileSync } = require("node:fs");
      const { connect } = require("node:net");
      const tries = [() => readdirSync(${JSON.stringify(join(home, "sandboxes"))}), () => readFileSync(${JSON.stringify(join(home, "logs/mvmd.log"))})];
      const codes = tries.map((attempt) => { try { attempt(); return "entered"; } catch (error) { return error.code; } });
      connect(${JSON.stringify(daemon.api.socketPath)}).on("connect", () => done("connected")).on("error", ({ code }) => done(code));
      function done(code) { console.log(JSON.stringify([...codes, code])); process.exit(0); }`;
    const { stdout, stderr } = spawnSync(
      "setpriv",
      ["--reuid=65534", "--regid=65534", "--clear-groups", "--", process.execPath, "-e", attempt],
      { encoding: "utf8", cwd: "/" },
    );
    expect(JSON.parse(stdout || `"${stderr}"`)).toEqual(["EACCES", "EACCES", "EACCES"]);
  }
  await stopped(daemon);
});

async function plant(path: string): Promise<{ server: Server; connections: () => number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.end("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}");
  });
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  onTestFinished(() => void server.close());
  return { server, connections: () => connections };
}

it("S-03 a planted socket is not spoken to: in a directory open to others, behind a link, or of another user", async () => {
  const cases: Record<string, (home: string) => Promise<string>> = {
    "open run directory": async (home) => {
      mkdirSync(join(home, "run"));
      chmodSync(join(home, "run"), 0o777);
      return join(home, "run/mvmd.sock");
    },
    "run is a link": async (home) => {
      const elsewhere = temporaryHome();
      symlinkSync(elsewhere, join(home, "run"));
      return join(elsewhere, "mvmd.sock");
    },
    "the socket is a link": async (home) => {
      mkdirSync(join(home, "run"), { mode: 0o700 });
      const elsewhere = temporaryHome();
      symlinkSync(join(elsewhere, "theirs"), join(home, "run/mvmd.sock"));
      return join(elsewhere, "theirs");
    },
  };
  for (const [name, prepare] of Object.entries(cases)) {
    const home = temporaryHome();
    const { connections } = await plant(await prepare(home));
    for (const autoStart of [true, false]) {
      const call = new DaemonClient({ home, autoStart }).json({
        method: "GET",
        path: "/version",
        operation: "version",
      });
      await expect(call, name).rejects.toMatchObject({ code: "SOCKET_AUTH" });
    }
    expect(connections(), name).toBe(0);
  }
  if (!isRoot) return;
  const home = temporaryHome();
  mkdirSync(join(home, "run"), { mode: 0o700 });
  const { connections } = await plant(join(home, "run/mvmd.sock"));
  chownSync(join(home, "run/mvmd.sock"), 65_534, 65_534);
  const call = new DaemonClient({ home }).json({ method: "GET", path: "/version", operation: "version" });
  await expect(call).rejects.toMatchObject({ code: "SOCKET_AUTH" });
  expect(connections()).toBe(0);
});

it("S-03 a stale socket of a daemon that died, or a file in its place, does not keep the next one from serving", async () => {
  const home = temporaryHome();
  const first = await startDaemon(home);
  await first.kill();
  expect(readdirSync(join(home, "run"))).toContain("mvmd.sock");
  const { pid } = await new DaemonClient({ home }).start();
  process.kill(pid, "SIGTERM");
  await sleep(100);
});

/** Inodes of the sockets a process holds. */
function socketsOf(pid: number): Set<string> {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}

it("S-04 the daemon listens on its own path and nowhere else: no TCP, no UDP, no abstract name", async () => {
  const daemon = await startDaemon(temporaryHome());
  const held = socketsOf(daemon.pid);
  const rows = (table: string) => readFileSync(`/proc/${daemon.pid}/net/${table}`, "utf8").trim().split("\n").slice(1);
  for (const table of ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"]) {
    const ours = rows(table).filter((row) => held.has(row.trim().split(/\s+/)[9]!));
    expect(ours, table).toEqual([]);
  }
  const named = rows("unix")
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => held.has(row[6]!) && row[7] !== undefined);
  // The name it was bound under; it has been renamed since. A connection that is open has that name too.
  expect(new Set(named.map((row) => row[7]))).toEqual(new Set([join(daemon.api.socketPath, "../.mvmd.new")]));
  await stopped(daemon);
});

it("S-05 a path as long as a socket's may be works; a longer one is refused with what to do", async () => {
  const parent = temporaryHome();
  const tail = "/run/mvmd.sock";
  const fitting = join(parent, "x".repeat(107 - parent.length - 1 - tail.length));
  expect((fitting + tail).length).toBe(107);
  const daemon = await startDaemon(fitting);
  await stopped(daemon);
  const { code, stderr, clientError } = await refused(`${fitting}y`);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/108 bytes.*\n.*Set MVM_HOME to a shorter path/);
  expect(clientError).toMatchObject({ code: "VM_CONFIG" });
});

function modes(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => `${path.slice(directory.length)} ${(lstatSync(path).mode & 0o7777).toString(8)}`)
    .sort();
}

it("S-10 the same modes under any umask", async () => {
  const seen: string[][] = [];
  for (const mask of [0o022, 0o000, 0o077]) {
    const before = process.umask(mask);
    const home = temporaryHome();
    chmodSync(home, 0o700);
    let pid = 0;
    try {
      pid = (await new DaemonClient({ home }).start()).pid;
    } finally {
      process.umask(before);
    }
    seen.push(modes(home));
    process.kill(pid, "SIGTERM");
  }
  for (const other of seen) expect(other).toEqual(seen[0]);
  // Public keys are for others to verify with; the directory above keeps who may not enter out.
  for (const line of seen[0]!) expect(line).toMatch(/ (700|600)$|\/keys\/[a-z-]+\.pub 644$/);
});

it("D-08 a home that cannot be used is an error that says why, and leaves no daemon", async () => {
  const parent = temporaryHome();
  writeFileSync(join(parent, "file"), "");
  const { code, stderr, clientError } = await refused(join(parent, "file", "home"));
  expect(code).not.toBe(0);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(clientError["code"]).not.toBe("INTERNAL");
  if (isRoot) {
    const home = join(parent, "theirs");
    mkdirSync(home, { mode: 0o500 });
    chownSync(home, 65_534, 65_534);
    const other = spawnSync(
      "setpriv",
      ["--reuid=65534", "--regid=65534", "--clear-groups", "--", process.execPath, daemonEntry],
      { env: { PATH: process.env["PATH"], HOME: "/", MVM_HOME: home }, encoding: "utf8", cwd: "/", timeout: 20_000 },
    );
    expect(other.status).not.toBe(0);
    expect(other.stderr).not.toMatch(/^\s+at /m);
    expect(other.stderr).toMatch(/mvmd: \w+ \[[A-Z_]+\]: .*\n\s+hint: /);
  }
});

it("D-04 a daemon that finds the lock taken says so and ends", async () => {
  const home = temporaryHome();
  const daemon = await startDaemon(home);
  const second = spawnDaemon(home);
  expect(await second.ended).toBe(75);
  const byHand = spawnSync(process.execPath, [daemonEntry], {
    env: { PATH: process.env["PATH"], HOME: home, MVM_HOME: home },
    encoding: "utf8",
    timeout: 20_000,
  });
  expect([byHand.status, byHand.stderr]).toEqual([75, "mvmd: another daemon already serves this home\n"]);
  expect((await daemon.api.json("GET", "/v1/version")).body.pid).toBe(daemon.pid);
  expect(logOf(home)).not.toContain("unforeseen");
  await stopped(daemon);
});
