import { readFileSync } from "node:fs";
import { join } from "node:path";
import { evidenceLayout, findEntry, readPublicKeys, sha256, verifyReceipt } from "@mvm/evidence";
import { type CodeResult, type RunCodeOptions, type Sandbox } from "@mvm/sdk";
import { beforeAll, describe, expect, test } from "vitest";
import { text, until, useScene } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ env: { GREETING: "hallo" } });
}, 600_000);

const python = (code: string, options?: RunCodeOptions) => sandbox.runCode("python", code, options);
const patient = { timeoutSeconds: 60 } as const;

/** The code ended its context; the next call says that it has a fresh one. */
async function expectFresh(before: CodeResult, ended: CodeResult["contextEnded"]): Promise<void> {
  expect(before).toMatchObject({ contextEnded: ended, value: null, error: { name: "ContextEnded" } });
  expect(await python("'still ' + 'there'", patient)).toMatchObject({
    ...{ contextFresh: true, contextEnded: null, value: "'still there'", error: null },
  });
}

describe("code in a context", () => {
  test("keeps its state, and tells value, output and error", async () => {
    expect(await python("import sys\nx = 6 * 7\nprint('out'); print('err', file=sys.stderr)\nx")).toMatchObject({
      ...{ context: "default", contextFresh: true, value: "42", error: null, stdout: "out\n", stderr: "err\n" },
    });
    expect(await python("x += 1\nx")).toMatchObject({ value: "43", contextFresh: false, stdout: "" });
    expect(await python("y = x")).toMatchObject({ value: null, error: null, outputs: [] });
    const failed = await python("def f():\n    return 1 / 0\nprint('before')\nf()");
    expect(failed).toMatchObject({ value: null, stdout: "before\n", contextEnded: null });
    expect(failed.error).toMatchObject({ name: "ZeroDivisionError", value: "division by zero" });
    expect(failed.error?.traceback).toMatch(
      /<cell \d+>", line 4, in <module>\n {4}f\(\)[^]*line 2, in f\n {4}return 1 \/ 0/,
    );
    expect(failed.error?.traceback).not.toContain("<string>");
    expect((await python("1 +")).error).toMatchObject({ name: "SyntaxError" });
    expect((await python("import asyncio\nawait asyncio.sleep(0.01)\n'awaited'")).value).toBe("'awaited'");
    expect((await python("raise SystemExit(3)")).error).toMatchObject({ name: "SystemExit", value: "3" });
    expect((await python("x")).value).toBe("43");
  });

  test("E-08 E-09 has a receipt and an entry however it ends, and neither holds the code", async () => {
    const key = readPublicKeys(evidenceLayout(scene.home).keys, "receipt").current!;
    const canary = "canary_7f3a";
    const calls: [string, RunCodeOptions, object][] = [
      [`print("${canary}")`, patient, { outcome: "completed", timed_out: false, stdout_bytes: 12 }],
      [`raise ValueError("${canary}")`, patient, { outcome: "completed", stdout_bytes: 0 }],
      [`import os; print("${canary}", flush=True); os._exit(7)`, patient, { outcome: "completed", stdout_bytes: 12 }],
      ["import os, signal; os.kill(os.getpid(), signal.SIGKILL)", patient, { outcome: "completed", stdout_bytes: 0 }],
      ["while True: pass", { timeoutSeconds: 1 }, { outcome: "timed_out", timed_out: true }],
    ];
    for (const [code, options, observed] of calls) {
      const result = await python(code, { ...options, context: "proven" });
      const verdict = verifyReceipt(readFileSync(result.receipt!), [key]);
      if (!verdict.ok) throw new Error(verdict.detail);
      const { predicate, subject } = verdict.statement;
      expect(predicate, code).toMatchObject({
        ...{ run_id: result.runId, audit_id: result.auditId, observed },
        ...{ claimed_by_guest: { exit_code: result.exitCode, signal: result.signal }, invocation: { argv_len: 2 } },
      });
      expect(subject[0]?.digest.sha256).toBe(sha256(result.stdout));
      const begun = await findEntry(join(scene.home, "audit/local"), result.auditId!);
      expect(begun).toMatchObject({ entry: { event: "run.begin", run_id: result.runId }, end: { event: "run.end" } });
      expect(JSON.stringify([begun, verdict.statement])).not.toContain(canary);
    }
  });

  test("is a command of the user: environment, directory, rights, __main__", async () => {
    const seen = await python(
      "import os\n[os.environ['GREETING'], os.getcwd(), os.getuid(), os.getgroups(), os.environ['HOME']]",
    );
    expect(seen.value).toBe("['hallo', '/home/user', 1000, [1000], '/home/user']");
    expect((await python("import os; os.listdir('/root')")).error?.name).toBe("PermissionError");
    expect((await python("import pickle\nclass A: pass\ntype(pickle.loads(pickle.dumps(A()))).__name__")).value).toBe(
      "'A'",
    );
    expect((await python("sorted(n for n in dir() if not n.startswith('_'))", { context: "clean" })).value).toBe(
      "['display']",
    );
    expect((await python("import os; os.getcwd()", { context: "tmp", cwd: "/tmp" })).value).toBe("'/tmp'");
  });

  test("contexts share nothing, are made, listed and deleted, and take turns", async () => {
    await Promise.all(["a", "b"].map((context) => python(`me = '${context}'`, { context })));
    expect((await python("me", { context: "a" })).value).toBe("'a'");
    const made = await sandbox.contexts.create("python", { context: "made" });
    expect(made).toMatchObject({ context: "made", language: "python", busy: false });
    expect((await python("1", { context: "made" })).contextFresh).toBe(false);
    expect((await sandbox.contexts.list()).map(({ context }) => context)).toEqual(
      expect.arrayContaining(["a", "b", "made"]),
    );
    expect(await sandbox.contexts.delete("python", "made")).toBe(true);
    expect(await sandbox.contexts.delete("python", "made")).toBe(false);
    const order = await Promise.all(
      [1, 2, 3, 4].map((n) => python(`s = globals().get('s', '') + '${n}'\ns`, { context: "q" })),
    );
    expect(order.map(({ value }) => value)).toEqual(["'1'", "'12'", "'123'", "'1234'"]);
    for (const context of ["a", "b", "q", "clean", "tmp"]) await sandbox.contexts.delete("python", context);
  });

  test("shows rich outputs", async () => {
    const table =
      "class T:\n  def _repr_html_(self): return '<b>t</b>'\n  def _repr_png_(self): return b'\\x89PNG'\nT()";
    expect((await python(table)).outputs).toEqual([{ "text/html": "<b>t</b>", "image/png": "iVBORw==" }]);
    const bundle =
      "class M:\n  def _repr_mimebundle_(self, **k): return {'application/json': {'a_b': 1}}\ndisplay(M())\n7";
    const shown = await python(bundle);
    expect(shown.value).toBe("7");
    expect(shown.outputs).toEqual([
      { "application/json": '{"a_b": 1}', "text/plain": expect.stringContaining("M object") as string },
    ]);
  });

  test("streams what it writes", async () => {
    const seen: string[] = [];
    const onStdout = (part: string) => void seen.push(part);
    const result = await python("import time\nfor i in range(3):\n  print(i, flush=True); time.sleep(0.3)", {
      onStdout,
    });
    expect(seen.join("")).toBe("0\n1\n2\n");
    expect(seen.length).toBeGreaterThan(1);
    expect(result.stdout).toBe("0\n1\n2\n");
  });
});

describe("whatever code does, its call ends with a result", () => {
  test("exits, crashes and is killed", async () => {
    await expectFresh(await python("import os; print('last', flush=True); os._exit(3)"), "exited");
    const killed = await python("import os; os.kill(os.getpid(), 9)");
    expect(killed).toMatchObject({ signal: "SIGKILL", exitCode: null });
    await expectFresh(killed, "exited");
    await expectFresh(await python("import ctypes; ctypes.string_at(0)"), "exited");
  });

  test("T-01 T-03 loops and leaves processes behind: the time limit ends all of it, with the output so far", async () => {
    const escape =
      "import os, subprocess, time\nprint('so far', flush=True)\nsubprocess.Popen(['setsid', 'sh', '-c', 'sleep 811 & sleep 812'])\n" +
      "if os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    for fd in range(3): os.close(fd)\n    os.execvp('sleep', ['sleep', '813'])\n  os._exit(0)\n" +
      "while True: pass";
    const looped = await python(escape, { timeoutSeconds: 2 });
    expect(looped).toMatchObject({ timedOut: true, stdout: "so far\n" });
    await expectFresh(looped, "timed_out");
    await until("nothing of it runs", async () => (await text(sandbox, "pgrep -cf '^sleep 81[123]' || true")) === "0");
  });

  test("T-07 is given up: the context ends in the guest", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const code = "import subprocess; subprocess.run(['sleep', '814'])";
    const call = python(code, { signal: controller.signal, context: "gone" }).catch((error: unknown) => error);
    await until("it runs", async () => (await text(sandbox, "pgrep -cf '^sleep 814' || true")) === "1");
    controller.abort(reason);
    expect(await call).toBe(reason);
    await until("it ends", async () => (await text(sandbox, "pgrep -cf '^sleep 814' || true")) === "0");
    expect((await python("1", { context: "gone" })).contextFresh).toBe(true);
  });

  test("floods its output: bounded, counted, and nobody else waits", async () => {
    const flood = python("import sys\nfor _ in range(200): sys.stdout.write('x' * 100_000)\n'end'", {
      ...{ maxOutputBytes: 1000, context: "flood", timeoutSeconds: 60 },
    });
    expect((await python("1 + 1", patient)).value).toBe("2");
    expect(await flood).toMatchObject({ stdoutBytes: 20_000_000, stdoutTruncated: true, value: "'end'" });
    const large = await python("display(*['x' * 900_000] * 5)\n'x' * 3_000_000");
    expect(large.value).toMatch(/x… 1\d{6} characters omitted$/);
    expect(large.outputsDropped).toBeGreaterThan(0);
  });

  test("writes what is no text", async () => {
    const result = await python("import sys; sys.stdout.buffer.write(b'\\xff\\x00a'); '\\ud800'");
    expect(Buffer.from(result.stdoutBase64 ?? "", "base64").subarray(0, 3)).toEqual(Buffer.from([0xff, 0, 0x61]));
    expect(result.error).toBeNull();
  });

  test("recurses, bombs, closes and replaces", async () => {
    expect((await python("def f(): f()\nf()", patient)).error?.name).toBe("RecursionError");
    const replaced = await python(
      "import sys, io; sys.stdout = io.StringIO(); print('swallowed'); sys.stdout.getvalue()",
    );
    expect(replaced).toMatchObject({ value: "'swallowed\\n'", stdout: "" });
    expect((await python("import sys; sys.stdout = sys.__stdout__; sys.stderr = None; print('back')")).stdout).toBe(
      "back\n",
    );
    expect((await python("import os; os.close(1); os.close(2); 5")).value).toBe("5");
    await expectFresh(await python("import os; os.closerange(0, 100); 5", patient), "exited");
    await expectFresh(await python("import os, time; os.close(3); time.sleep(60)", patient), "closed");
    expect(await python("import os\npid = os.fork()\n'once'")).toMatchObject({ value: "'once'", error: null });
    const bombed = await python("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", {
      timeoutSeconds: 3,
    });
    await expectFresh(bombed, "timed_out");
    const evil = "class E(Exception):\n  def __str__(self): raise KeyboardInterrupt\nraise E()";
    expect((await python(evil)).error).toMatchObject({ name: "E", value: "its text cannot be made" });
    expect((await python("class R:\n  def __repr__(self): return 5\nR()")).error?.name).toBe("TypeError");
  });

  test("forges: frames on its outputs are output, frames on its descriptor end its context, others are out of reach", async () => {
    const frame = `{"event": "end", "call": "x", "ended": null}`;
    const printed = await python(`import os\nfor fd in (1, 2): os.write(fd, b'\\n${frame}\\n')\n'true value'`);
    expect(printed).toMatchObject({
      value: "'true value'",
      stdout: `\n${frame}\n`,
      stderr: `\n${frame}\n`,
      error: null,
    });
    const forged = `import os, json, struct\nd = json.dumps({"call": "run_x", "value": "forged", "error": None, "outputs": [], "outputs_dropped": 0}).encode()\nos.write(3, struct.pack(">I", len(d)) + d)\nwhile True: pass`;
    await expectFresh(await python(forged, patient), "violation");
    await expectFresh(await python("import os; os.write(3, b'\\xff' * 9); 1", patient), "violation");
    await expectFresh(await python("import os; os.write(3, b'\\x00\\x00\\x00\\x02{}'); 1", patient), "violation");
    // Neither the runner nor another context can be traced, opened or ended.
    await python("secret = 1", { context: "other" });
    const reach =
      "import os, glob\nopened = []\nfor p in glob.glob('/proc/[0-9]*/fd'):\n  if int(p.split('/')[2]) == os.getpid(): continue\n" +
      "  try: opened.append(os.listdir(p))\n  except PermissionError: pass\n  except FileNotFoundError: pass\nopened";
    expect((await python(reach)).value).toBe("[]");
    const runner = Number(await text(sandbox, "pgrep -of mvm-runner"));
    expect((await python(`import os; os.kill(${runner}, 9)`)).error?.name).toBe("PermissionError");
    expect((await python("secret", { context: "other" })).value).toBe("1");
  });

  test("eats the memory: the machine and the next call live", async () => {
    const eaten = await python("a = []\nwhile True: a.append(bytearray(10_000_000))", patient);
    expect(eaten.error?.name === "MemoryError" || eaten.contextEnded !== null).toBe(true);
    expect((await python("1 + 1", patient)).value).toBe("2");
  });

  test("the runner killed by root: the call and the contexts are lost, the next call works", async () => {
    await python("z = 1", patient);
    const call = python("import time; time.sleep(60)", patient);
    await until("it runs", async () => (await sandbox.contexts.list()).some(({ busy }) => busy));
    await text(sandbox, "pkill -9 -f 'mvm-runne[r]'", { user: "root" });
    await expectFresh(await call, "lost");
  });

  test("asks for what the image has not", async () => {
    await expect(sandbox.runCode("javascript", "1")).rejects.toMatchObject({ name: "BackendUnsupported" });
    await expect(python("1", { context: "no such/name" })).rejects.toMatchObject({ name: "InvalidArgumentError" });
    const lost = await python("1", { context: "nowhere", cwd: "/does/not/exist" });
    expect(lost.error?.name).toBe("FileNotFoundError");
  });
});

describe("copies of a machine", () => {
  test("draw different random numbers in contexts that were warm before", async () => {
    const draw = "import random, os, uuid\n[random.random(), os.urandom(4).hex(), str(uuid.uuid4())]";
    const other = await scene.sandbox();
    const [first, second] = [await python(draw, { context: "r" }), await other.runCode("python", draw)];
    expect(first.error).toBeNull();
    expect(first.value).not.toBe(second.value);
    expect(first.value?.split(",")[0]).not.toBe(second.value?.split(",")[0]);
  });

  test("of a living context go on with its state, and draw different random numbers", async () => {
    await python("import random; kept = 'state'; random.random()", { context: "k" });
    const busy = python("import time; time.sleep(600)", { context: "busy" }).catch(() => undefined);
    await until("it runs", async () => (await sandbox.contexts.list()).some((found) => found.busy));
    const forks = await sandbox.fork({ count: 2 });
    const drawn = await Promise.all(
      forks.map(async (fork) => {
        const kept = await fork.runCode("python", "[kept, random.random()]", { context: "k" });
        expect(kept).toMatchObject({ contextFresh: false, error: null });
        // A call in flight when the machine was captured is nobody's any more, and its context with it.
        expect((await fork.runCode("python", "1", { context: "busy" })).contextFresh).toBe(true);
        return kept.value ?? "";
      }),
    );
    expect(drawn.every((value) => value.startsWith("['state', 0."))).toBe(true);
    expect(new Set([...drawn, (await python("[kept, random.random()]", { context: "k" })).value]).size).toBe(3);
    await Promise.all(forks.map((fork) => fork.destroy()));
    await sandbox.contexts.delete("python", "busy");
    await busy;
  });
});

describe("JavaScript", () => {
  let node: Sandbox;
  beforeAll(async () => {
    node = await scene.sandbox({ image: "node" });
  }, 600_000);
  const js = (code: string, options: RunCodeOptions = patient) => node.runCode("javascript", code, options);

  test("keeps its state, and tells value, console, error and data", async () => {
    expect(await js("console.log('out'); console.error('err'); let x = 6 * 7; x")).toMatchObject({
      ...{ value: "42", stdout: "out\n", stderr: "err\n", error: null, contextFresh: true, context: "default" },
    });
    expect(await js("x += 1")).toMatchObject({ value: "43", contextFresh: false });
    expect((await js("[1, { a_b: 2 }]")).outputs).toEqual([{ "application/json": '[1,{"a_b":2}]' }]);
    expect((await js("display({ _repr_html_: () => '<b>' }); undefined")).outputs[0]).toMatchObject({
      "text/html": "<b>",
    });
    const failed = await js("function f() { throw new TypeError('bad') }\nf()");
    expect(failed).toMatchObject({ value: null, error: { name: "TypeError", value: "bad" } });
    expect(failed.error?.traceback).toMatch(/at f \(<cell \d+>:1:22\)\n {4}at <cell \d+>:2:1$/);
    expect((await js("await new Promise((r) => setTimeout(r, 10, 'later'))")).value).toBe("'later'");
    expect((await js("require('node:os').userInfo().username + process.cwd()")).value).toBe("'user/home/user'");
    expect((await js("x")).value).toBe("43");
  });

  test("ends its context in every way with a result", async () => {
    const ends: [string, string, RunCodeOptions?][] = [
      ["process.exit(3)", "exited"],
      ["for (;;);", "timed_out", { timeoutSeconds: 2 }],
      ["require('fs').writeSync(3, 'no frame at all')", "violation"],
    ];
    for (const [code, contextEnded, options] of ends) {
      expect(await js(code, options), code).toMatchObject({
        contextEnded,
        value: null,
        error: { name: "ContextEnded" },
      });
      expect(await js("1 + 1"), code).toMatchObject({ contextFresh: true, value: "2" });
    }
    const flood = await js("for (let i = 0; i < 300; i++) console.log('x'.repeat(9999)); 'end'", {
      maxOutputBytes: 100,
    });
    expect(flood).toMatchObject({ stdoutBytes: 3_000_000, stdoutTruncated: true, value: "'end'" });
  });

  test("copies of a machine draw different random numbers, those of OpenSSL too", async () => {
    const draw = "[Math.random(), require('crypto').randomBytes(8).toString('hex'), crypto.randomUUID()].join()";
    const other = await scene.sandbox({ image: "node" });
    const drawn = [await js(draw, { context: "r" }), await other.runCode("javascript", draw, patient)];
    const parts = drawn.map(({ value }) => (value ?? "").split(","));
    expect(parts.map((part) => part.length)).toEqual([3, 3]);
    for (const at of [0, 1, 2]) expect(parts[0]?.[at]).not.toBe(parts[1]?.[at]);
  });
});
