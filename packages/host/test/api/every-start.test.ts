import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryHome, testDaemon } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";
import type { Line, Loose } from "../fixture/api-client.js";

/** Whether a call can lead to a machine that was not running before. A call that is missing here fails the test. */
const canStart: Readonly<Record<string, boolean>> = {
  "POST /v1/sandboxes": true,
  "POST /v1/runs": true,
  "POST /v1/sandboxes/{ref}/start": true,
  "POST /v1/sandboxes/{ref}/resume": true,
  "POST /v1/sandboxes/{ref}/fork": true,
  "POST /v1/snapshots/{ref}/restore": true,
  "POST /v1/pools": true,
  "PUT /v1/sandboxes/{ref}/network": false,
  "PUT /v1/secrets/{name}": false,
  "POST /v1/secrets/rotate": false,
  "POST /v1/policy/check": false,
  "POST /v1/sandboxes/{ref}/stop": false,
  "POST /v1/sandboxes/{ref}/pause": false,
  "POST /v1/sandboxes/{ref}/cold": false,
  "POST /v1/sandboxes/{ref}/detach": false,
  "POST /v1/sandboxes/{ref}/lease": false,
  "PUT /v1/sandboxes/{ref}/ttl": false,
  "POST /v1/sandboxes/{ref}/resize": false,
  "POST /v1/sandboxes/{ref}/snapshots": false,
  "POST /v1/snapshots/{ref}/verify": false,
  "POST /v1/snapshots/prune": false,
  "POST /v1/snapshots/import": false,
  "POST /v1/templates/import": false,
  "POST /v1/sandboxes/{ref}/processes": false,
  "POST /v1/sandboxes/{ref}/processes/{pid}/stdin": false,
  "POST /v1/sandboxes/{ref}/processes/{pid}/signal": false,
  "POST /v1/sandboxes/{ref}/processes/{pid}/resize": false,
  "POST /v1/runs/{run_id}/stdin": false,
  "PUT /v1/sandboxes/{ref}/files/content": false,
  "POST /v1/sandboxes/{ref}/files/mkdir": false,
  "POST /v1/sandboxes/{ref}/files/rename": false,
  "POST /v1/sandboxes/{ref}/files/symlink": false,
  "POST /v1/sandboxes/{ref}/files/chmod": false,
  "POST /v1/sandboxes/{ref}/ports": false,
  "POST /v1/sandboxes/{ref}/code": false,
  "POST /v1/sandboxes/{ref}/code/contexts": false,
  "POST /v1/sandboxes/{ref}/packages": false,
  "POST /v1/images": false,
  "POST /v1/images/pull": false,
  "POST /v1/gc": false,
  "POST /v1/daemon/stop": false,
};

const bodies: Readonly<Record<string, unknown>> = {
  "POST /v1/pools": { image: "python", size: 1 },
  "POST /v1/runs": { sandbox: {}, command: { argv: ["true"] } },
};

async function prepared() {
  const backend = processBackend();
  const { home, api, daemon } = await testDaemon({ backend });
  const lines = await api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  expect(lines.at(-1)).toMatchObject({ event: "created" });
  const refuseAll = (text: string): void => {
    mkdirSync(join(home, "policy"), { recursive: true });
    writeFileSync(join(home, "policy/a.cedar"), text);
  };
  const allow = (): void => rmSync(join(home, "policy"), { recursive: true, force: true });
  const box = daemon.services.registry.get("box", "test");
  return { backend, api, box, refuseAll, allow };
}

/** What a call answers with, whether it is one document or a stream. */
async function errorOf(api: Loose, call: string, path: string): Promise<Loose> {
  const [method = "", route = ""] = call.split(" ");
  const { body } = await api.json(method, path, bodies[call] ?? {});
  const last = typeof body === "string" ? (JSON.parse(body.trim().split("\n").at(-1) ?? "{}") as Line) : body;
  return last.error ?? expect.fail(`${method} ${route} was let through: ${JSON.stringify(body)}`);
}

test("every call of the API is known to start machines or not", async () => {
  const { api } = await testDaemon();
  const { body } = await api.json("GET", "/v1/openapi.json");
  const calls = Object.entries(body.paths as Record<string, Record<string, unknown>>).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => method === "post" || method === "put")
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(calls.sort()).toEqual(Object.keys(canStart).sort());
});

test.each(Object.keys(canStart).filter((call) => canStart[call]))(
  "C: %s starts no machine without an admitted plan",
  async (call) => {
    const { backend, api, box, refuseAll, allow } = await prepared();
    if (call.endsWith("/start")) await api.json("POST", "/v1/sandboxes/box/stop");
    if (call.endsWith("/resume")) box.state = "cold";
    const before = backend.started.length;
    const path = call.split(" ")[1]?.replace("{ref}", call.includes("snapshots") ? "snp" : "box") ?? "";
    refuseAll("garbage");
    expect(await errorOf(api, call, path)).toMatchObject({ name: "PolicyDenied", code: "POLICY_BROKEN" });
    refuseAll('@id("ops.none") forbid (principal, action == Action::"start", resource);');
    if (!call.endsWith("/restore")) {
      const error = await errorOf(api, call, path);
      expect(error).toMatchObject({ name: "PolicyDenied", rule: "ops.none", outcome: "not_started" });
      expect(error.context.plan_sha256).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(backend.started.length).toBe(before);
    if (call.endsWith("/resume")) box.state = "running";
    allow();
  },
);

test("C: a paused sandbox goes on only while policy admits its plan", async () => {
  const { api, box, refuseAll } = await prepared();
  await api.json("POST", "/v1/sandboxes/box/pause");
  refuseAll('@id("ops.none") forbid (principal, action == Action::"start", resource);');
  expect(await errorOf(api, "POST /v1/sandboxes/{ref}/resume", "/v1/sandboxes/box/resume")).toMatchObject({
    ...{ name: "PolicyDenied", rule: "ops.none", outcome: "not_started" },
  });
  expect(box.state).toBe("paused");
});

test.each([
  ["forbids it", '@id("ops.none") forbid (principal, action == Action::"start", resource);', "ops.none"],
  ["has another ceiling now", undefined, "limit.memory_mb"],
  ["is broken", "garbage", "policy.broken"],
])("C: a machine that a next daemon finds is adopted but stands still when policy %s", async (_why, text, rule) => {
  const home = temporaryHome();
  const backend = processBackend();
  const first = await testDaemon({ home, backend });
  await first.api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  await first.daemon.close();
  mkdirSync(join(home, "policy"));
  if (text === undefined) writeFileSync(join(home, "policy/limits.toml"), "memory_mb = 128\n");
  else writeFileSync(join(home, "policy/a.cedar"), text);
  const { api } = await testDaemon({ home, backend });
  const state = async (): Promise<string> => (await api.json("GET", "/v1/sandboxes/box")).body.state as string;
  expect(await state()).toBe("paused");
  const { body } = await api.json("GET", "/v1/sandboxes/box/logs?source=supervisor");
  expect(JSON.stringify(body)).toContain(rule);
  expect(await errorOf(api, "POST /v1/sandboxes/{ref}/resume", "/v1/sandboxes/box/resume")).toMatchObject({ rule });
  expect(await state()).toBe("paused");
  rmSync(join(home, "policy"), { recursive: true });
  await api.json("POST", "/v1/sandboxes/box/resume");
  expect(await state()).toBe("running");
  const lines = await api.lines("POST", "/v1/sandboxes/box/processes", { argv: ["echo", "on"] });
  expect(lines.at(-1)?.["result"].stdout).toBe("on\n");
  await api.json("DELETE", "/v1/sandboxes/box");
});

test("the plan and the policy a sandbox was admitted by are part of what is known of it", async () => {
  const { api, box } = await prepared();
  const { body: info } = await api.json("GET", "/v1/sandboxes/box");
  expect(info.plan_sha256).toBe(box.planSha256);
  const { body: decision } = await api.json("POST", "/v1/policy/check", {
    ...{ name: "box", detach: true, ttl_seconds: 600 },
  });
  expect(decision).toMatchObject({ admitted: true, plan_sha256: info.plan_sha256, policy_sha256: info.policy_sha256 });
});

test("a check says what a create would be told, and starts nothing", async () => {
  const { api, backend, refuseAll } = await prepared();
  const before = backend.started.length;
  const check = async (body: unknown): Promise<Loose> => (await api.json("POST", "/v1/policy/check", body)).body;
  expect(await check({ profile: "restrictive" })).toMatchObject({
    admitted: true,
    rules: ["profile.restrictive.start"],
    denied: null,
    plan: { v: 1, profile: "restrictive", image: { ref: "python" }, resources: { cpu: 1, memory_mb: 512 } },
  });
  expect(await check({ profile: "restrictive", env: { A: "geheim" } })).toMatchObject({
    admitted: false,
    rules: ["profile.restrictive.env"],
    denied: { rule: "profile.restrictive.env", boundary: "policy" },
    plan: { plaintext_env: ["A"] },
  });
  expect(await check({ cpu: 16 })).toMatchObject({ admitted: false, denied: { rule: "limit.cpu" } });
  refuseAll("\nforbid (principal, action, resource);");
  const { body } = await api.json("GET", "/v1/policy");
  expect(body).toMatchObject({ ok: false, sha256: null, problems: [{ line: 2 }] });
  expect(backend.started.length).toBe(before);
});

test("M-02: one sandbox more than limits.toml allows is refused with both numbers", async () => {
  const { home, api } = await testDaemon();
  mkdirSync(join(home, "policy"));
  writeFileSync(join(home, "policy/limits.toml"), "sandboxes = 1\nttl_seconds = 100\n");
  const create = async (name: string, ttl: number): Promise<Line | undefined> =>
    (await api.lines("POST", "/v1/sandboxes", { name, detach: true, ttl_seconds: ttl })).at(-1);
  expect(await create("a", 101)).toMatchObject({
    error: { rule: "limit.ttl_seconds", context: { asked: 101, ceiling: 100 } },
  });
  expect(await create("a", 100)).toMatchObject({ event: "created" });
  expect(await create("b", 100)).toMatchObject({
    error: { rule: "limit.sandboxes", context: { asked: 2, ceiling: 1 } },
  });
  const { body } = await api.json("PUT", "/v1/sandboxes/a/ttl", { ttl_seconds: 101 });
  expect(body.error.rule).toBe("limit.ttl_seconds");
});
