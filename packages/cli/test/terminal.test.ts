import { afterAll, beforeAll, expect, test } from "vitest";
import {
  events,
  failure,
  json,
  output,
  resultDocument,
  sandboxInfo,
  StandingDaemon,
  started,
} from "./support/standing-daemon.js";
import { runOnTerminal } from "./support/terminal.js";
import { run } from "./support/cli.js";
import { stripVTControlCharacters } from "node:util";

const evil = "\u001b]52;c;aGk=\u0007\u001b[2Jhi";
let daemon: StandingDaemon;
beforeAll(async () => {
  daemon = await StandingDaemon.start({
    "GET /v1/sandboxes": json({
      sandboxes: [
        sandboxInfo(),
        sandboxInfo({ name: evil, state: "failed", reason: "oom", ended_at: "2026-01-01T00:00:00Z" }),
      ],
    }),
    "GET /v1/sandboxes/box/logs": async (seen, response) => {
      await seen.body();
      response.end(`${JSON.stringify({ time: "2026-01-01T00:00:00Z", source: "guest", line: evil })}\n`);
    },
    "GET /v1/sandboxes/box/files/content": (_, response) => void response.end(evil),
    "GET /v1/sandboxes/box/files/list": json({
      entries: [{ name: evil, type: "file", size: 1, mode: 0o644, uid: 0, gid: 0, mtime_ms: 0 }],
      next: null,
    }),
    "POST /v1/runs": events(started, output("stdout", evil), { event: "end", result: resultDocument() }),
    "POST /v1/images": async (seen, response) => {
      const { name } = JSON.parse((await seen.body()).toString()) as { name: string };
      for (const phase of ["READY download", "unpack"]) {
        for (let i = 0; i < 5; i++) {
          response.write(
            `${JSON.stringify({ event: "progress", phase, detail: `part ${i} ${evil}`, done: i, total: 5 })}\n`,
          );
          await new Promise((resolve) => setTimeout(resolve, name === "hang" ? 1000 : 120));
        }
      }
      const image = {
        name,
        digest: "sha256:1",
        size_bytes: 5,
        created_at: null,
        kernel: null,
        agent: null,
        templates: [],
      };
      response.end(`${JSON.stringify({ event: "built", image })}\n`);
    },
    "GET /v1/sandboxes/gone": failure("SandboxUnavailable", "SANDBOX_NOT_FOUND", 404, `Cannot find ${evil}`),
  });
});
afterAll(() => daemon.stop());

const on = (argv: string[], more: object = {}) => runOnTerminal(argv, { home: daemon.home, ...more });

test("logs, file content, names and errors cannot control the terminal", async () => {
  for (const argv of [["ls"], ["logs", "box"], ["fs", "read", "box", "f"], ["fs", "ls", "box"], ["inspect", "gone"]]) {
    const { text } = await on(argv);
    expect(text, argv.join(" ")).not.toMatch(/[\u001b\u0007]/);
    expect(text).toContain("\\x1b]52");
  }
});

test("--raw, run and pipes get the bytes as they are", async () => {
  expect((await on(["logs", "box", "--raw"])).text).toContain(evil);
  expect((await on(["fs", "read", "box", "f", "--raw"])).text).toBe(evil);
  expect((await on(["run", "--", "x"])).text).toBe(evil);
  expect((await run(["fs", "read", "box", "f"], { home: daemon.home })).stdout.toString()).toBe(evil);
  expect((await run(["logs", "box"], { home: daemon.home })).stdout.toString()).toContain(evil);
});

test.each([20, 40, 80, 200])("ls fits %i columns", async (columns) => {
  const { text, code } = await on(["ls"], { columns });
  expect(code).toBe(0);
  for (const line of text.trimEnd().split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
});

test("ls shows every column where there is room", async () => {
  const { text } = await on(["ls"], { columns: 200 });
  expect(text.split("\n")[0]).toMatch(/^NAME +ID +STATE +IMAGE +BACKEND +AGE +TTL +PORTS +MEMORY$/);
  expect(text).toMatch(/devbox +sbx_\S+ +running +python +qemu\/tcg +1h05m +(9m\d\ds|10m) +- +512M/);
});

test("help fits a narrow terminal", async () => {
  for (const line of (await on(["run", "--help"], { columns: 40 })).text.split("\n")) {
    if (!/^ {2}(mvmctl|#|-)/.test(line) && !line.startsWith("Usage")) expect(line.length, line).toBeLessThanOrEqual(40);
  }
});

test("long work shows its phases on a terminal, and leaves a clean line", async () => {
  const { text, code } = await on(["image", "build", "node"]);
  expect(code).toBe(0);
  expect(text).toContain("unpack");
  expect(text).not.toContain("\u001b]52");
  expect(text.trimEnd().split("\n").at(-1)).toContain("node is built");
  expect(stripVTControlCharacters(text)).toMatch(/READY download \d\.\ds/);
});

test("--quiet shows no progress, TERM=dumb no escape sequences", async () => {
  expect((await on(["image", "build", "node", "--quiet"])).text).toBe("");
  expect((await on(["image", "build", "node"], { env: { TERM: "dumb" } })).text).not.toContain("\u001b");
});

test("^C during an image build ends it with 130", async () => {
  const { code, text } = await on(["image", "build", "hang"], { feed: "\\x03" });
  expect(code).toBe(130);
  expect(text).not.toContain("    at ");
});
