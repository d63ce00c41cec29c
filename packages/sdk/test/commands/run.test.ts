import { Readable } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { CommandFailed, InvalidArgumentError, Sandbox, Timeout } from "../../src/index.js";
import { answer, lines } from "../support/fake-daemon.js";
import { type Answers, base64, resultDocument, sandboxDaemon } from "../support/sandbox-daemon.js";

let daemon: Awaited<ReturnType<typeof sandboxDaemon>>;
let sandbox: Sandbox;
afterEach(async () => {
  await sandbox.destroy();
  await daemon.close();
});

async function at(answers: Answers): Promise<void> {
  daemon = await sandboxDaemon(answers);
  sandbox = await Sandbox.create({ home: daemon.home, autoStart: false });
}

const started = { event: "started", pid: 7, run_id: "run_01m82n4fec85qrs8rcr7zt19wc" };
const command = () => JSON.parse(daemon.requests.at(-1)?.body.toString() ?? "") as unknown;

const ends = (fields: Parameters<typeof resultDocument>[0], ...before: unknown[]): Answers => ({
  "POST /processes": (_, response) => {
    lines(response, started, ...before, { event: "end", result: resultDocument(fields) });
    response.end();
  },
});

describe("commands.run", () => {
  test("an array is argv, a string a shell line, and both return the result", async () => {
    await at(ends({}));
    const result = await sandbox.commands.run(["python3", "-c", "print(6*7)"], {
      timeoutSeconds: 1.5,
      cwd: "/tmp",
      env: { A: "b" },
      user: "root",
      maxOutputBytes: 10,
    });
    expect(command()).toEqual({
      argv: ["python3", "-c", "print(6*7)"],
      timeout_ms: 1500,
      cwd: "/tmp",
      env: { A: "b" },
      user: "root",
      max_output_bytes: 10,
    });
    expect(result).toMatchObject({ exitCode: 0, stdout: "42\n", stdoutBytes: 3, durationMs: 1.5, timedOut: false });
    expect(result.runId).toMatch(/^run_/);
    expect(result.auditId).toMatch(/^evt_/);
    expect(result.receipt).toBe(null);
    await sandbox.commands.run("echo $HOME", { stdin: "in" });
    expect(command()).toEqual({ shell: "echo $HOME", stdin: "data", stdin_data: base64("in") });
  });

  test("returns for any exit status, and throws with the result when checked", async () => {
    await at(ends({ exit_code: 3, stderr: "no" }));
    expect((await sandbox.commands.run("false")).exitCode).toBe(3);
    const error: unknown = await sandbox.commands
      .run("secret words", { check: true })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CommandFailed);
    expect(error).toMatchObject({
      code: "COMMAND_FAILED",
      outcome: "completed",
      result: { exitCode: 3, stderr: "no" },
    });
    expect(JSON.stringify(error)).not.toContain("secret words");
  });

  test("a time limit is a result, and Timeout when checked", async () => {
    await at(ends({ exit_code: 124, timed_out: true }));
    expect((await sandbox.commands.run("sleep 9", { timeoutMs: 5 })).timedOut).toBe(true);
    await expect(sandbox.commands.run("sleep 9", { timeoutMs: 5, check: true })).rejects.toMatchObject({
      name: "Timeout",
      code: "COMMAND_TIMEOUT",
      result: { timedOut: true },
    });
    await expect(sandbox.commands.run("x", { timeoutMs: 5, check: true })).rejects.toBeInstanceOf(Timeout);
  });

  test("refuses arguments that cannot be", async () => {
    await at(ends({}));
    const before = daemon.requests.length;
    const wrong: [unknown, object][] = [
      [[], {}],
      ["", {}],
      [["a\0b"], {}],
      [["ok"], { timeoutMs: 1, timeoutSeconds: 1 }],
      ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, "5", null].map((timeoutMs): [string[], object] => [
        ["ok"],
        { timeoutMs },
      ]),
      [["ok"], { timeout: 5 }],
      [["ok"], { env: { A: 1 } }],
      [["ok"], { cwd: "../x" }],
      [["ok"], { user: "a b" }],
    ];
    for (const [argv, options] of wrong) {
      const run = sandbox.commands.run(argv as string, options);
      await expect(run, JSON.stringify([argv, options])).rejects.toBeInstanceOf(InvalidArgumentError);
    }
    expect(daemon.requests).toHaveLength(before);
  });

  test("streams text that is never cut inside a character, waiting for the callback", async () => {
    const euro = Buffer.from("€uro");
    await at(
      ends(
        { stdout: "€uro" },
        { event: "stdout", data: base64(euro.subarray(0, 2)) },
        { event: "stderr", data: base64("err") },
        { event: "stdout", data: base64(euro.subarray(2)) },
        { event: "stdout", data: base64(Buffer.from([0xe2])) },
      ),
    );
    const seen: string[] = [];
    let busy = false;
    await sandbox.commands.run("x", {
      onStdout: async (text) => {
        expect(busy).toBe(false);
        busy = true;
        await new Promise((done) => setTimeout(done, 10));
        busy = false;
        seen.push(text);
      },
      onStderr: (text) => seen.push(`!${text}`),
    });
    expect(seen).toEqual(["!err", "€uro", "\ufffd"]);
    expect(command()).toMatchObject({ stream: true });
  });

  test("a callback that throws does not disturb the command and surfaces once", async () => {
    const data = { event: "stdout", data: base64("a") };
    await at(ends({}, data, data, data));
    let calls = 0;
    const failing = sandbox.commands.run("x", {
      onStdout: () => {
        calls++;
        throw new Error("mine");
      },
    });
    await expect(failing).rejects.toThrow("mine");
    expect(calls).toBe(1);
  });

  test("aborting ends the connection and rejects with the reason", async () => {
    await at({ "POST /processes": (_, response) => lines(response, started) });
    const reason = new Error("stop");
    await expect(sandbox.commands.run("x", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 30);
    await expect(sandbox.commands.run("x", { signal: controller.signal })).rejects.toBe(reason);
    await expect.poll(() => daemon.connections()).toBe(1);
  });

  test("feeds a streamed stdin beside the output", async () => {
    let received = "";
    let finish: (() => void) | undefined;
    await at({
      "POST /processes": (_, response) => {
        lines(response, started);
        finish = () => {
          lines(response, { event: "end", result: resultDocument() });
          response.end();
        };
      },
      "POST /processes/7/stdin": (request, response, body) => {
        received += `${body.toString()}${request.url?.endsWith("eof=true") ? "|" : ""}`;
        answer(response, 200, { written_bytes: body.length });
        finish?.();
      },
    });
    await sandbox.commands.run("cat", { stdin: Readable.from(["a", "b", "c"]) });
    expect(received).toBe("abc|");
  });

  test("a stdin that throws ends the command with its own error", async () => {
    await at({
      "POST /processes": (_, response) => lines(response, started),
      "POST /processes/7/stdin": (_, response) => answer(response, 200, { written_bytes: 0 }),
    });
    async function* broken(): AsyncGenerator<string> {
      yield "a";
      await new Promise((done) => setTimeout(done, 20));
      throw new Error("source broke");
    }
    await expect(sandbox.commands.run("cat", { stdin: broken() })).rejects.toThrow("source broke");
  });

  test("a stream that ends early is an error of unknown outcome", async () => {
    await at({
      "POST /processes": (_, response) => {
        lines(response, started);
        response.end();
      },
    });
    await expect(sandbox.commands.run("x")).rejects.toMatchObject({ code: "CHANNEL_LOST", outcome: "unknown" });
  });
});
