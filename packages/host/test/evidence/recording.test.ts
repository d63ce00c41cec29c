import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { recordedCalls } from "../../src/evidence/calls.js";
import { testDaemon, temporaryHome, type TestDaemon } from "../fixture/daemon.js";
import { RecordedHome } from "./scene.js";

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const restrictive = { sandbox: { profile: "restrictive" } };

async function box(): Promise<TestDaemon & { recorded: RecordedHome; at: string }> {
  const made = await testDaemon();
  const lease = await made.api.stream("POST", "/v1/sandboxes", { name: "box" });
  await lease.until("created");
  return { ...made, recorded: new RecordedHome(made.home), at: "/v1/sandboxes/box" };
}

/** Ends of calls are written behind their answers. */
async function settled(recorded: RecordedHome, done: () => boolean): Promise<void> {
  for (let n = 0; n < 400 && !done(); n++) await sleep(10);
  expect(done(), recorded.events().join(" ")).toBe(true);
}

describe("what is recorded", () => {
  it("A-22 has a row for every call of the API that is no GET, and no other rows", async () => {
    const { api } = await testDaemon();
    const { body } = await api.json("GET", "/v1/openapi.json");
    const documented = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => method !== "get")
        .map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`),
    );
    expect(documented.length).toBeGreaterThan(25);
    expect([...new Set(documented)].sort()).toEqual(Object.keys(recordedCalls).sort());
  });

  it("A-22 writes the call before its effect and its end after it", async () => {
    const { api, recorded, at } = await box();
    await api.json("PUT", `${at}/ttl`, { ttl_seconds: 900 });
    await api.json("POST", `${at}/stop`);
    await api.json("DELETE", at);
    const calls = ["sandbox.create", "sandbox.ttl", "sandbox.stop", "sandbox.destroy"];
    await settled(recorded, () => recorded.events().filter((event) => event.endsWith(".end")).length >= calls.length);
    for (const call of calls) {
      const [begin, end] = [recorded.find(`${call}.begin`), recorded.find(`${call}.end`)];
      expect(end).toMatchObject({ data: { begin: begin.id, status: 200, code: null } });
      expect(end.sandbox_id).toMatch(/^sbx_/);
      expect(begin.seq).toBeLessThan(end.seq);
    }
    expect(recorded.find("sandbox.ended")).toMatchObject({ data: { state: "destroyed", reason: "destroyed" } });
    expect(await recorded.verify()).toMatchObject({ ok: true, open: 0 });
  });

  it("names the entry in the error of a call that fails, and the error's code in the entry", async () => {
    const { api, recorded } = await box();
    const { status, body } = await api.json("POST", "/v1/sandboxes/nobody/stop");
    expect(status).toBe(404);
    await settled(recorded, () => recorded.events().includes("sandbox.stop.end"));
    expect(recorded.find("sandbox.stop.begin").id).toBe(body.error.audit_id);
    expect(recorded.find("sandbox.stop.end")).toMatchObject({ data: { status: 404, code: "SANDBOX_NOT_FOUND" } });
  });

  it("A-23 holds no argument, value, path, name, tag or output", async () => {
    const { api, home } = await testDaemon();
    const canary = "canary-3f9a1c";
    const lease = await api.stream("POST", "/v1/sandboxes", {
      ...{
        name: canary,
        tags: { [canary]: canary },
        workload_id: canary,
        env: { [`V_${canary.replace("-", "_")}`]: canary },
      },
    });
    await lease.until("created");
    const at = `/v1/sandboxes/${canary}`;
    const command = { argv: ["echo", canary], env: { CANARY: canary }, cwd: "/", stdin: "data" };
    await api.lines("POST", `${at}/processes`, { ...command, stdin_data: Buffer.from(canary).toString("base64") });
    await api.json("PUT", `${at}/files/content?path=/tmp/${canary}`, Buffer.from(canary));
    await api.json("DELETE", at);
    const history = new RecordedHome(home);
    await settled(history, () => history.events().includes("sandbox.destroy.end"));
    const files = [join(history.directory, "log.jsonl"), ...history.receiptPaths()];
    expect(files.length).toBe(2);
    for (const file of files) {
      const text = readFileSync(file, "utf8");
      const payload = file.endsWith(".json") ? Buffer.from(JSON.parse(text).payload, "base64").toString() : "";
      expect(text + payload).not.toContain(canary);
      expect(text + payload).not.toContain(Buffer.from(canary).toString("base64").slice(0, 12));
    }
  });
});

describe("a command", () => {
  it("E-09 has a begin, an end and a receipt that name each other, whatever it ends with", async () => {
    const { api, recorded, at } = await box();
    const cases = [
      [{ shell: "echo out; echo err >&2" }, { exit_code: 0, signal: null }, { outcome: "completed" }, "out\n", "err\n"],
      [{ shell: "printf x; exit 3" }, { exit_code: 3 }, { outcome: "completed", stdout_bytes: 1 }, "x", ""],
      [{ shell: "kill -9 $$" }, { exit_code: 137, signal: "SIGKILL" }, { outcome: "completed" }, "", ""],
      [
        { shell: "echo a; sleep 60", timeout_ms: 300 },
        { exit_code: 124 },
        { outcome: "timed_out", timed_out: true },
        "a\n",
        "",
      ],
      [{ shell: "seq 1 9999", max_output_bytes: 100 }, {}, { stdout_truncated: true }, null, ""],
    ] as const;
    for (const [command, claimed, observed, stdout, stderr] of cases) {
      const result = (await api.lines("POST", `${at}/processes`, command)).at(-1)?.["result"];
      const begin = recorded.entries().find(({ id }) => id === result.audit_id);
      expect(begin).toMatchObject({ event: "run.begin", run_id: result.run_id, sandbox_id: result.sandbox_id });
      const { predicate, subject } = recorded.receipt(result.receipt_path);
      expect(predicate).toMatchObject({
        ...{ run_id: result.run_id, audit_id: begin?.id, audit_seq: begin?.seq, tenant: "local" },
        ...{ claimed_by_guest: claimed, observed, isolation: { isolation: "emulated" } },
        ...{ plan_sha256: begin?.data["plan_sha256"], image: { name: "python" } },
      });
      const all = stdout ?? Array.from({ length: 9999 }, (_each, n) => `${n + 1}\n`).join("");
      expect(subject.map(({ digest }) => digest.sha256)).toEqual([hash(all), hash(stderr)]);
      expect(recorded.find("run.end")).toMatchObject({
        run_id: result.run_id,
        data: { begin: begin?.id, receipt_sha256: hash(readFileSync(result.receipt_path, "utf8")) },
      });
    }
    expect(await recorded.verify()).toMatchObject({ ok: true, open: 0 });
  });

  it("E-09 has them when it is denied, and when its machine is lost", async () => {
    const { api, home } = await testDaemon();
    const recorded = new RecordedHome(home);
    const sandbox = { profile: "restrictive", env: { A: "b" } };
    const { status, body } = await api.json("POST", "/v1/runs", { sandbox, command: { argv: ["true"] } });
    expect(status).toBe(403);
    expect(body.error).toMatchObject({ name: "PolicyDenied", run_id: expect.stringMatching(/^run_/) });
    const denied = recorded.find("run.denied");
    expect(denied).toMatchObject({
      id: body.error.audit_id,
      run_id: body.error.run_id,
      data: { code: "POLICY_DENIED" },
    });
    const path = join(home, "receipts/local", `${body.error.run_id}.json`);
    expect(recorded.receipt(path).predicate).toMatchObject({
      ...{ audit_id: denied.id, observed: { outcome: "denied", stdout_bytes: 0 } },
      claimed_by_guest: { exit_code: null, signal: null, oom_killed: null },
    });

    const lines = await api.lines("POST", "/v1/runs", { ...restrictive, command: { argv: ["%crash"] } });
    const { error } = lines.at(-1) as { error?: { run_id: string; audit_id: string; outcome: string } };
    expect(error).toMatchObject({ outcome: "unknown" });
    const lost = join(home, "receipts/local", `${error?.run_id}.json`);
    expect(recorded.receipt(lost).predicate.observed).toMatchObject({ outcome: "lost" });
    expect(recorded.find("run.end")).toMatchObject({ data: { begin: error?.audit_id, outcome: "lost" } });
  });

  it("E-11 shows its arguments to nobody who lacks the host's key", async () => {
    const { api, recorded, at } = await box();
    await api.lines("POST", `${at}/processes`, { argv: ["ls"] });
    const { data } = recorded.find("run.begin");
    expect(data["argv_len"]).toBe(1);
    expect([hash("ls"), hash('["ls"]'), hash("2:ls")]).not.toContain(data["argv_hmac_sha256"]);
  });
});

describe("a history that cannot be written", () => {
  it("A-08 refuses every call that changes state before it has an effect, and no other", async () => {
    const { api, recorded, at } = await box();
    const log = join(recorded.directory, "log.jsonl");
    renameSync(log, `${log}.gone`);
    const before = (await api.json("GET", at)).body;
    const calls: [string, string, unknown?][] = [
      ["PUT", `${at}/ttl`, { ttl_seconds: 1 }],
      ["POST", `${at}/stop`],
      ["POST", `${at}/processes`, { argv: ["true"] }],
      ["POST", "/v1/sandboxes", {}],
      ["POST", "/v1/runs", { ...restrictive, command: { argv: ["true"] } }],
      ["DELETE", at],
    ];
    for (const [method, path, body] of calls) {
      const answer = await api.json(method, path, body);
      expect(answer.status, `${method} ${path}`).toBe(503);
      expect(answer.body.error).toMatchObject({
        name: "SandboxDependencyError",
        code: "AUDIT_UNAVAILABLE",
        outcome: "not_started",
      });
    }
    expect((await api.json("GET", at)).body).toEqual(before);
    expect((await api.json("GET", "/v1/sandboxes")).body.sandboxes).toHaveLength(1);
  });

  it("does not keep the daemon from starting and from saying what there is", async () => {
    const home = temporaryHome();
    const first = await testDaemon({ home });
    await first.api.lines("POST", "/v1/runs", { ...restrictive, command: { argv: ["true"] } });
    await first.daemon.close();
    const recorded = new RecordedHome(home);
    const log = join(recorded.directory, "log.jsonl");
    writeFileSync(log, readFileSync(log, "utf8").replace("sandbox.create", "sandbox.credit"));
    const second = await testDaemon({ home });
    expect((await second.api.json("GET", "/v1/sandboxes")).status).toBe(200);
    expect((await second.api.json("POST", "/v1/sandboxes", {})).body.error.code).toBe("AUDIT_UNAVAILABLE");
  });

  it("A-17 is closed after a daemon that died, and goes on with the next", async () => {
    const home = temporaryHome();
    const first = await testDaemon({ home });
    const lease = await first.api.stream("POST", "/v1/sandboxes", { name: "box" });
    await lease.until("created");
    const running = first.api.lines("POST", "/v1/sandboxes/box/processes", { argv: ["sleep", "60"] });
    // It ends with the daemon, in the middle of what is awaited first.
    running.catch(() => undefined);
    const recorded = new RecordedHome(home);
    await settled(recorded, () => recorded.events().includes("run.begin"));
    await first.daemon.close();
    await running.catch(() => undefined);
    const second = await testDaemon({ home });
    await second.api.lines("POST", "/v1/runs", { ...restrictive, command: { argv: ["true"] } });
    await second.daemon.close();
    expect(await recorded.verify()).toMatchObject({ ok: true, open: 0 });
    expect(recorded.events().filter((event) => event === "run.end" || event === "interrupted").length).toBeGreaterThan(
      1,
    );
  });
});
