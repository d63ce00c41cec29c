import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CommandFailed, type ProcessEvent, Sandbox } from "../../src/index.js";
import { answer, lines } from "../support/fake-daemon.js";
import { base64, resultDocument, sandboxDaemon } from "../support/sandbox-daemon.js";

let daemon: Awaited<ReturnType<typeof sandboxDaemon>>;
let sandbox: Sandbox;

beforeEach(async () => {
  daemon = await sandboxDaemon({
    "POST /processes": (_, response) => lines(response, { event: "started", pid: 7, run_id: "run_x" }),
    "GET /processes": (_, response) =>
      answer(response, 200, {
        processes: [
          { pid: 7, run_id: "run_x", argv: ["x"], user: "user", cwd: "/", started_at: "2025-01-01", running: true },
        ],
      }),
    "GET /processes/7/events": (_, response) => {
      lines(
        response,
        { event: "gap", from: 0, to: 5 },
        { event: "stdout", data: base64("out"), cursor: 8 },
        { event: "end", result: resultDocument({ exit_code: 137, signal: "SIGKILL" }) },
      );
      response.end();
    },
    "POST /processes/7/stdin": (_, response, body) => answer(response, 200, { written_bytes: body.length }),
    "POST /processes/7/signal": (_, response) => answer(response, 200, {}),
    "POST /processes/7/resize": (_, response) => answer(response, 200, {}),
  });
  sandbox = await Sandbox.create({ home: daemon.home, autoStart: false });
});
afterEach(async () => {
  await sandbox.destroy();
  await daemon.close();
});

const last = () => daemon.requests.at(-1);

describe("a started process", () => {
  test("is in the background, with a pipe, and its connection is let go", async () => {
    const process = await sandbox.commands.start(["cat"], { pty: { rows: 24, cols: 80 } });
    expect(process).toMatchObject({ pid: 7, runId: "run_x" });
    expect(JSON.parse(last()?.body.toString() ?? "")).toEqual({
      argv: ["cat"],
      background: true,
      stdin: "pipe",
      pty: { rows: 24, cols: 80 },
    });
    await expect.poll(() => daemon.connections()).toBe(1);
  });

  test("is waited for", async () => {
    const process = await sandbox.commands.start("x");
    expect(await process.wait()).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
    await expect(process.wait({ check: true })).rejects.toBeInstanceOf(CommandFailed);
  });

  test("is iterated over, from the start or a cursor", async () => {
    const process = await sandbox.commands.connect(7);
    const events: ProcessEvent[] = [];
    for await (const event of process) events.push(event);
    expect(last()?.url).toMatch(/events\?from=0$/);
    expect(events.map((event) => event.type)).toEqual(["gap", "stdout", "end"]);
    expect(events[1]).toMatchObject({ text: "out", cursor: 8 });
    for await (const event of process.logs({ from: 8 })) {
      expect(event.type).toBe("gap");
      break;
    }
    expect(last()?.url).toMatch(/events\?from=8$/);
  });

  test("is fed, signalled and resized", async () => {
    const process = await sandbox.commands.start("x");
    await process.writeStdin("hello");
    expect(last()?.body.toString()).toBe("hello");
    await process.closeStdin();
    expect(last()?.url).toMatch(/stdin\?eof=true$/);
    await process.kill();
    expect(JSON.parse(last()?.body.toString() ?? "")).toEqual({ signal: "SIGTERM", tree: true });
    await process.kill("SIGKILL", { tree: false });
    expect(JSON.parse(last()?.body.toString() ?? "")).toEqual({ signal: "SIGKILL", tree: false });
    await expect(process.kill("SIGNOPE")).rejects.toMatchObject({ name: "InvalidArgumentError" });
    await process.resize({ rows: 1, cols: 2 });
    expect(last()?.url).toMatch(/resize$/);
  });

  test("that does not exist cannot be connected to", async () => {
    await expect(sandbox.commands.connect(8)).rejects.toMatchObject({ code: "PROCESS_NOT_FOUND" });
    expect(await sandbox.commands.list()).toMatchObject([{ pid: 7, runId: "run_x", running: true }]);
  });
});
