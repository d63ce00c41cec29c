import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { documentOf, run } from "./support/cli.js";
import { runOnTerminal } from "./support/terminal.js";
import {
  type Answer,
  events,
  failure,
  json,
  resultDocument,
  sandboxInfo,
  StandingDaemon,
  started,
} from "./support/standing-daemon.js";

let daemon: StandingDaemon | undefined;
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
});
const bodies: Record<string, unknown> = {};
const noting =
  (answer: Answer): Answer =>
  async (seen, response) => {
    const body = (await seen.body()).toString();
    bodies[`${seen.method} ${seen.path}`] = body === "" ? undefined : JSON.parse(body);
    await answer(seen, response);
  };
const standing = async (answers: Record<string, Answer>) => (daemon = await StandingDaemon.start(answers)).home;

test("up creates a detached sandbox with a time to live and an owner", async () => {
  const created = { event: "created", sandbox: sandboxInfo(), timings: { create_ms: 90, start: "template" } };
  const home = await standing({ "POST /v1/sandboxes": noting(events(created)) });
  const ran = await run(["up", "devbox", "--cpus", "2", "--json"], { home });
  expect(documentOf(ran)).toMatchObject({ schema_version: 1, name: "devbox", timings: { start: "template" } });
  expect(bodies["POST /v1/sandboxes"]).toMatchObject({
    name: "devbox",
    cpu: 2,
    detach: true,
    ttl_seconds: 1800,
    owner: expect.any(String) as string,
  });
  expect((await run(["create", "devbox", "--ttl", "2h"], { home })).stdout.toString()).toMatch(
    /^devbox \(sbx_\w+\) is running, qemu\/tcg, ends in /,
  );
  expect(bodies["POST /v1/sandboxes"]).toMatchObject({ ttl_seconds: 7200 });
  expect((await run(["up", "x", "--cwd", "/tmp"], { home })).code).toBe(78);
});

test("exec finds its options on both sides of the name, and its argv after it", async () => {
  const home = await standing({
    "POST /v1/sandboxes/box/processes": noting(
      events(started, { event: "end", result: resultDocument({ exit_code: 137, signal: "SIGKILL" }) }),
    ),
  });
  expect(
    (await run(["exec", "--cwd", "/tmp", "box", "--user", "root", "--env", "A=b", "--", "id", "--user"], { home }))
      .code,
  ).toBe(137);
  expect(bodies["POST /v1/sandboxes/box/processes"]).toEqual({
    argv: ["id", "--user"],
    stdin: "none",
    stream: true,
    cwd: "/tmp",
    user: "root",
    env: { A: "b" },
  });
  expect((await run(["exec", "box", "ls", "-la"], { home })).code).toBe(137);
  expect(bodies["POST /v1/sandboxes/box/processes"]).toMatchObject({ argv: ["ls", "-la"] });
});

test("stop, destroy and ttl make their calls and print documents", async () => {
  const home = await standing({
    "POST /v1/sandboxes/box/stop": json(sandboxInfo({ state: "stopped" })),
    "DELETE /v1/sandboxes/box": json({ destroyed: true, guarantee: "all of it" }),
    "DELETE /v1/sandboxes/old": json({ destroyed: false, guarantee: "all of it" }),
    "PUT /v1/sandboxes/box/ttl": noting(json(sandboxInfo())),
  });
  expect(documentOf(await run(["down", "box", "--json"], { home }))).toMatchObject({ state: "stopped" });
  expect(documentOf(await run(["rm", "box", "--json"], { home }))).toMatchObject({ ref: "box", destroyed: true });
  expect((await run(["destroy", "box", "old"], { home })).stdout.toString()).toBe(
    "box is destroyed\nold was already destroyed\nall of it\n",
  );
  expect((await run(["ttl", "box", "2h"], { home })).code).toBe(0);
  expect(bodies["PUT /v1/sandboxes/box/ttl"]).toEqual({ ttl_seconds: 7200 });
  await run(["ttl", "box", "never"], { home });
  expect(bodies["PUT /v1/sandboxes/box/ttl"]).toEqual({ ttl_seconds: null });
});

test("fs verbs", async () => {
  let put: Buffer | undefined;
  const entry = { name: "f", type: "file", size: 3, mode: 0o640, uid: 1000, gid: 1000, mtime_ms: 0 };
  const pages = [
    { entries: [entry], next: "1" },
    { entries: [{ ...entry, name: "g" }], next: null },
  ];
  const home = await standing({
    "PUT /v1/sandboxes/box/files/content": async (seen, response) => {
      put = await seen.body();
      await json({ bytes: put.length })(seen, response);
      bodies["put"] = Object.fromEntries(seen.query);
    },
    "GET /v1/sandboxes/box/files/content": (_, response) => void response.end(Buffer.from([0x61, 0xff])),
    "GET /v1/sandboxes/box/files/list": (seen, response) =>
      json(pages[Number(seen.query.get("cursor") ?? 0)])(seen, response),
    "GET /v1/sandboxes/box/files/stat": json(entry),
    "POST /v1/sandboxes/box/files/mkdir": noting(json({ created: true })),
    "POST /v1/sandboxes/box/files/rename": noting(json({})),
    "DELETE /v1/sandboxes/box/files": json({ removed: 2 }),
  });
  const data = Buffer.alloc(1_000_000, "x\0");
  expect((await run(["fs", "write", "box", "a b", "--mode", "600"], { home, stdin: data })).code).toBe(0);
  expect(put?.equals(data)).toBe(true);
  expect(bodies["put"]).toEqual({ path: "a b", mode: "384" });
  expect((await run(["fs", "read", "box", "x", "y"], { home })).stdout).toEqual(Buffer.from([0x61, 0xff, 0x61, 0xff]));
  expect(documentOf(await run(["fs", "read", "box", "x", "--json"], { home }))).toEqual({
    schema_version: 1,
    path: "x",
    bytes: 2,
    content: "a\ufffd",
    content_base64: "Yf8=",
  });
  expect(documentOf(await run(["fs", "ls", "box", "--json"], { home }))).toMatchObject({
    entries: [{ name: "f" }, { name: "g" }],
  });
  expect((await run(["fs", "ls", "box"], { home })).stdout.toString()).toMatch(
    /-rw-r----- +1000:1000 +3 +1970-01-01 00:00 +f\n/,
  );
  expect(documentOf(await run(["fs", "stat", "box", "f", "--json"], { home }))).toMatchObject({ path: "f", size: 3 });
  expect((await run(["fs", "mkdir", "box", "d", "--mode", "700"], { home })).code).toBe(0);
  expect(bodies["POST /v1/sandboxes/box/files/mkdir"]).toEqual({ path: "d", exist_ok: true, mode: 448 });
  expect((await run(["fs", "mv", "box", "a", "b"], { home })).code).toBe(0);
  expect(documentOf(await run(["fs", "rm", "-r", "box", "d", "--json"], { home }))).toEqual({
    schema_version: 1,
    removed: 2,
  });
});

test("logs --json prints one object a line, and an error as the last of them", async () => {
  const line = { time: "2026-01-01T00:00:00Z", source: "guest", line: "hi" };
  const home = await standing({
    "GET /v1/sandboxes/box/logs": (_, response) =>
      void response.end(
        [
          line,
          line,
          {
            event: "error",
            error: { name: "TransportError", code: "CHANNEL_LOST", message: "Cannot go on", hint: "h" },
          },
        ]
          .map((each) => JSON.stringify(each))
          .join("\n"),
      ),
  });
  const ran = await run(["logs", "box", "--json", "--since", "10m"], { home });
  const lines = ran.stdout
    .toString()
    .trimEnd()
    .split("\n")
    .map((each) => JSON.parse(each) as object);
  expect(lines.slice(0, 2)).toEqual([line, line]);
  expect(lines[2]).toMatchObject({ error: { code: "CHANNEL_LOST" } });
  expect(ran.code).toBe(74);
});

test("doctor exits with 69 when something is missing", async () => {
  const check = (name: string, status: string, fix: string | null) => ({ name, status, detail: "d", fix });
  const report = {
    schema_version: 1,
    ok: false,
    time: "t",
    checks: [check("a", "ok", null), check("qemu", "fail", "apt install qemu")],
  };
  const home = await standing({ "GET /v1/doctor": json(report) });
  const ran = await run(["doctor"], { home });
  expect([ran.code, ran.stdout.toString()]).toEqual([69, "ok    a: d\nFAIL  qemu: d\n      fix: apt install qemu\n"]);
  expect(documentOf(await run(["doctor", "--json"], { home }))).toMatchObject({ ok: false });
  const narrow = await runOnTerminal(["doctor"], { home, columns: 20 });
  expect(narrow.text).toBe("ok    a: d\nFAIL  qemu: d\n      fix: apt\n           install\n           qemu\n");
});

test("the daemon verbs tell a daemon that runs from one that does not", async () => {
  const version = { version: "0.1.0", api: "v1", pid: 5, started_at: "2026-01-01T00:00:00Z", home: "/h" };
  const home = await standing({
    "GET /v1/version": json(version),
    "POST /v1/daemon/stop": failure("SandboxUnavailable", "DAEMON_BUSY", 409),
  });
  expect(documentOf(await run(["daemon", "status", "--json"], { home }))).toMatchObject({ running: true, pid: 5 });
  expect((await run(["daemon", "start"], { home })).code).toBe(0);
  expect((await run(["daemon", "stop"], { home })).code).toBe(69);
  const nowhere = mkdtempSync(join(tmpdir(), "mvmctl-"));
  const status = await run(["daemon", "status", "--json"], { home: nowhere });
  expect([status.code, documentOf(status)]).toEqual([69, { schema_version: 1, running: false }]);
  expect((await run(["daemon", "stop"], { home: nowhere })).code).toBe(0);
});

test("cp moves a file in and a tree out", async () => {
  const written = new Map<string, string>();
  const directory = { name: "out", type: "directory", size: 0, mode: 0o755, uid: 0, gid: 0, mtime_ms: 0 };
  const file = { ...directory, name: "f", type: "file", mode: 0o644, size: 2 };
  const home = await standing({
    "GET /v1/sandboxes/box/files/stat": (seen, response) => {
      const path = seen.query.get("path");
      const answer =
        path === "out" || path === "/in" ? json(directory) : failure("GuestAgentError", "FILE_NOT_FOUND", 404);
      return answer(seen, response);
    },
    "GET /v1/sandboxes/box/files/list": json({ entries: [file], next: null }),
    "GET /v1/sandboxes/box/files/content": (_, response) => void response.end("hi"),
    "PUT /v1/sandboxes/box/files/content": async (seen, response) => {
      const body = await seen.body();
      written.set(seen.query.get("path") ?? "", body.toString());
      await json({ bytes: body.length })(seen, response);
    },
  });
  const cwd = mkdtempSync(join(tmpdir(), "mvmctl-"));
  writeFileSync(join(cwd, "a"), "content");
  writeFileSync(join(cwd, "empty"), "");
  expect((await run(["cp", "a", "box:/in"], { home, cwd })).code).toBe(0);
  expect((await run(["cp", "empty", "box:/new"], { home, cwd })).code).toBe(0);
  expect(Object.fromEntries(written)).toEqual({ "/in/a": "content", "/new": "" });
  const plain = await run(["cp", "box:out", "."], { home, cwd });
  expect([plain.code, plain.stderr.includes("cp -r")]).toEqual([64, true]);
  const ran = await run(["cp", "-r", "box:out", ".", "--json"], { home, cwd });
  expect(documentOf(ran)).toMatchObject({ files: 1, directories: 1, bytes: 2, skipped: [] });
  expect(readFileSync(join(cwd, "out/f"), "utf8")).toBe("hi");
  mkdirSync(join(cwd, "dir"));
  expect((await run(["cp", "-r", "box:out", "dir/new"], { home, cwd })).code).toBe(0);
  expect(readdirSync(join(cwd, "dir"))).toEqual(["new"]);
  expect((await run(["cp", "-r", process.env["HOME"] ?? "/root", "box:/x"], { home, cwd })).code).toBe(77);
});
