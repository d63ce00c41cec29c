import { EventEmitter } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { InvalidArgumentError } from "@mvm/protocol";
import { expect, onTestFinished, test } from "vitest";
import { redacted } from "../../src/logs/redact.js";
import { SandboxLogs } from "../../src/logs/sandbox-logs.js";
import { cleaned, createLog } from "../../src/observe/log.js";
import { failSandbox } from "../../src/sandboxes/fail.js";
import { ProtectedValues } from "../../src/secrets/protected-values.js";
import { sandboxLayout } from "../../src/store/layout.js";
import { temporaryHome, testDaemon, type TestDaemon } from "../fixture/daemon.js";

const value = 'sk-live-"geheim"\\42';
const forms = [
  value,
  JSON.stringify(value).slice(1, -1),
  JSON.stringify(JSON.stringify(value).slice(1, -1)).slice(1, -1),
  encodeURIComponent(value),
  Buffer.from(value).toString("hex"),
  Buffer.from(value).toString("base64").slice(0, -4),
];

function holds(text: string): string[] {
  return [...forms, "geheim"].filter((form) => text.includes(form));
}

async function stored(options: Parameters<typeof testDaemon>[0] = {}): Promise<TestDaemon> {
  const made = await testDaemon(options);
  expect((await made.api.json("PUT", "/v1/secrets/key", { value })).status).toBe(200);
  return made;
}

function broken(): never {
  throw new Error(`broken at ${value}`);
}

test("K-12: no error of the API holds a stored value, wherever in the request it stood", async () => {
  const { api } = await stored();
  const url = encodeURIComponent(value);
  const calls: [string, string, unknown?][] = [
    ["GET", `/v1/sandboxes/${url}`],
    ["POST", `/v1/sandboxes/${url}/stop`],
    ["POST", "/v1/sandboxes", { name: value }],
    ["POST", "/v1/sandboxes", { backend: value }],
    ["POST", "/v1/sandboxes", { env: { [value]: "x" } }],
    ["POST", "/v1/sandboxes", { env: { A: `${value}\0` } }],
    ["POST", "/v1/sandboxes", { [value]: 1 }],
    ["POST", "/v1/sandboxes", { secrets: { A: { secret: value } } }],
    ["POST", "/v1/sandboxes", { network: { default: "deny", allow: [{ host: value, port: 1, protocol: "tcp" }] } }],
    ["POST", "/v1/runs", { sandbox: { profile: "restrictive", env: { [value]: "x" } }, command: { argv: ["true"] } }],
    ["POST", "/v1/snapshots/x/restore", { name: value }],
    ["PUT", `/v1/secrets/${url}`, { value }],
    ["PUT", "/v1/secrets/other", { value: `${value}\n` }],
    ["PUT", "/v1/secrets/other", { value, hosts: [value] }],
    ["PUT", "/v1/secrets/other", { value, header: `${value}:` }],
    ["POST", "/v1/sandboxes", Buffer.from(`{"a": ${value}}`)],
  ];
  for (const [method, path, body] of calls) {
    const answer = await api.json(method, path, body);
    const text = JSON.stringify(answer.body);
    expect(answer.status, `${method} ${path} ${text}`).toBeGreaterThanOrEqual(400);
    expect(holds(text), `${method} ${path} ${text}`).toEqual([]);
  }
});

test("K-12: an error in the middle of a stream and the reason of a failed sandbox hold no stored value", async () => {
  const { api, daemon, log } = await stored();
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "box" });
  await lease.until("created");
  const sandbox = daemon.services.registry.get("box", "test");
  sandbox.logs.redactor.protect([value]);
  const running = api.lines("POST", "/v1/sandboxes/box/processes", { argv: ["sleep", "60"], stream: true });
  await expect.poll(() => daemon.services.registry.runs.size).toBe(1);
  await failSandbox(daemon.services, sandbox, "crashed", `the guest said ${value} and ${forms[3]}`);
  expect(holds(JSON.stringify(await running))).toEqual([]);
  const { body } = await api.json("GET", "/v1/sandboxes/box/logs?source=supervisor");
  expect(JSON.stringify(body)).toContain(redacted);
  expect(holds(JSON.stringify(body))).toEqual([]);
  expect(log.join("")).toContain("sandbox failed");
  expect(holds(log.join(""))).toEqual([]);
});

test("K-12: the daemon's log holds no stored value, also of an unforeseen failure and of a former daemon's store", async () => {
  const home = temporaryHome();
  const first = await stored({ home });
  await first.daemon.close();
  const { daemon, api, log } = await testDaemon({ home });
  daemon.services.log.fatal({ err: new Error(`panic ${value}`).stack }, `panic ${forms[4]}`);
  Object.assign(daemon.services.policy, { state: () => Promise.reject(new Error(`surprise ${value}`)) });
  const { status, body } = await api.json("GET", "/v1/policy");
  expect({ status, code: body.error.code }).toEqual({ status: 500, code: "INTERNAL" });
  expect(body.error.message).toContain(`surprise ${redacted}`);
  expect(log.join("")).toMatch(/surprise \[redacted\]/);
  expect(holds(log.join("") + JSON.stringify(body))).toEqual([]);
});

test("K-12: a value that was replaced or removed stays protected, and a sandbox that has the name learns the new one", async () => {
  const { api, daemon } = await stored();
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "box" });
  await lease.until("created");
  const sandbox = daemon.services.registry.get("box", "test");
  sandbox.plan = { ...sandbox.plan, secrets: { KEY: { secret: "key" } } };
  await api.json("PUT", "/v1/secrets/key", { value: "another-value" });
  expect(sandbox.logs.redactor.text("x another-value")).toBe(`x ${redacted}`);
  await api.json("DELETE", "/v1/secrets/key");
  for (const gone of [value, "another-value"]) {
    const { body } = await api.json("GET", `/v1/sandboxes/${encodeURIComponent(gone)}`);
    expect(body.error.message).toContain(redacted);
  }
});

test("K-12: a redaction that fails is an error or a withheld line on every way out, never a pass-through", async () => {
  const values = new ProtectedValues();
  Object.assign(values, { redactor: { text: broken } });
  const error = new InvalidArgumentError({ message: `Cannot use ${value}`, context: { value }, runId: "run_1" });
  const document = values.document(error.toDocument());
  expect(document.error).toMatchObject({ code: "REDACTION_FAILED", run_id: "run_1", outcome: "not_started" });
  expect(holds(JSON.stringify(document))).toEqual([]);

  const lines: string[] = [];
  createLog(cleaned({ write: (line) => void lines.push(line) }, broken)).info({ value }, value);
  expect(JSON.parse(lines.join(""))).toMatchObject({ level: 50, msg: expect.stringContaining("withheld") as string });
  expect(holds(lines.join(""))).toEqual([]);

  const directory = mkdtempSync(join(tmpdir(), "mvm-logs-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const files = sandboxLayout(directory, ".");
  const logs = new SandboxLogs(files);
  Object.assign(logs.redactor, { text: broken, stream: () => ({ push: broken, flush: broken }) });
  const console = new PassThrough();
  logs.drain(console);
  console.write(`${value}\n`);
  console.write("more\n");
  await EventEmitter.once(console.end(), "close");
  logs.event("failed", { detail: value });
  logs.close();
  expect(readFileSync(files.supervisorLog, "utf8").match(/event.withheld/g)).toHaveLength(2);
  expect(() => readFileSync(files.consoleLog)).toThrow("ENOENT");
});

test("a secret nobody can read keeps nothing from working, and one is said to be so", async () => {
  const home = temporaryHome();
  const first = await stored({ home });
  await first.daemon.close();
  writeFileSync(join(home, "keys/secrets.json"), "{}");
  const { api, log } = await testDaemon({ home });
  expect((await api.json("GET", "/v1/sandboxes")).status).toBe(200);
  expect(log.join("")).toContain("secrets that cannot be read");
});
