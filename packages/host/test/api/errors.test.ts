import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Value } from "@sinclair/typebox/value";
import { DoctorReportSchema, ErrorDocumentSchema, VersionSchema } from "@mvm/protocol/schemas";
import fc from "fast-check";
import { expect, test } from "vitest";
import { testDaemon } from "../fixture/daemon.js";

test("every refusal is an error document with the status of its code", async () => {
  const { api } = await testDaemon();
  const calls: [string, string, unknown, number, string][] = [
    ["GET", "/nowhere", undefined, 404, "USAGE"],
    ["PATCH", "/v1/sandboxes", {}, 404, "USAGE"],
    ["GET", "/v1/sandboxes/none", undefined, 404, "SANDBOX_NOT_FOUND"],
    ["POST", "/v1/sandboxes/none/stop", undefined, 404, "SANDBOX_NOT_FOUND"],
    ["POST", "/v1/sandboxes/none/processes", { argv: ["true"] }, 404, "SANDBOX_NOT_FOUND"],
    ["POST", "/v1/sandboxes", { imagee: "x" }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/sandboxes", { cpu: "1" }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/sandboxes", { cpu: 1.5 }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/sandboxes", { memory_mb: 1 }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/sandboxes", { name: "../x" }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/sandboxes", { accel: "hvf" }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/sandboxes", { env: { "A B": "1" } }, 400, "ENV_INVALID"],
    ["POST", "/v1/sandboxes", { backend: "other" }, 501, "BACKEND_UNSUPPORTED"],
    ["POST", "/v1/sandboxes", { require_isolation: "hardware" }, 501, "BACKEND_UNSUPPORTED"],
    ["POST", "/v1/sandboxes", { detach: true }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/sandboxes", { profile: "permissive" }, 403, "POLICY_ACK_REQUIRED"],
    ["POST", "/v1/sandboxes", { profile: "restrictive", env: { A: "1" } }, 403, "POLICY_DENIED"],
    ["POST", "/v1/sandboxes", { cpu: 16 }, 403, "POLICY_LIMIT"],
    ["POST", "/v1/runs", { sandbox: {}, command: {} }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/runs", { sandbox: {}, command: { argv: ["a"], shell: "b" } }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/runs", { sandbox: {}, command: { argv: ["a"], timeout_ms: 2 ** 31 } }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/runs", { sandbox: {}, command: { argv: ["a"], timeout_ms: 0 } }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/runs", { sandbox: { detach: true }, command: { argv: ["a"] } }, 400, "INVALID_ARGUMENT"],
    ["POST", "/v1/runs/run_x/stdin", Buffer.from("x"), 404, "PROCESS_NOT_FOUND"],
    ["POST", "/v1/sandboxes", Buffer.from("x"), 400, "INVALID_ARGUMENT"],
  ];
  for (const [method, path, body, status, code] of calls) {
    const answer = await api.json(method, path, body);
    const what = `${method} ${path} ${JSON.stringify(body)}`;
    expect(answer.status, what).toBe(status);
    expect(answer.body.error.code, what).toBe(code);
    expect(Value.Check(ErrorDocumentSchema.properties.error, answer.body.error), what).toBe(true);
  }
});

test("a refusal names the place by its pointer and never the value there", async () => {
  const { api } = await testDaemon();
  const unknown = (await api.json("POST", "/v1/runs", { sandbox: {}, command: { argv: ["a"], "x/y": 1 } })).body.error;
  expect(unknown.context.pointer).toBe("/command/x~1y");
  const wrong = (await api.json("POST", "/v1/sandboxes", { env: { A: 4711 } })).body.error;
  expect(wrong.context.pointer).toBe("/env/A");
  const words = (await api.json("POST", "/v1/sandboxes", { profile: "geheim" })).body.error;
  expect(words.message).toContain("restrictive");
  expect(JSON.stringify([unknown, wrong, words])).not.toMatch(/4711|geheim/);
});

test("bodies that are no good JSON are refused: duplicate keys, depth, size, prototypes", async () => {
  const { api } = await testDaemon();
  const bodies = ['{"cpu":1,"cpu":2}', "[".repeat(50_000), '{"__proto__":{}}', "{", "nul", '{"cpu":1e400}'];
  for (const text of bodies) {
    const { status } = await api.json("POST", "/v1/sandboxes", Buffer.from(text), {
      "content-type": "application/json",
    });
    expect(status, text.slice(0, 20)).toBe(400);
  }
  const huge = Buffer.from(`{"image":"${"x".repeat(9 * 1024 * 1024)}"}`);
  const answer = await api
    .json("POST", "/v1/sandboxes", huge, { "content-type": "application/json" })
    .catch(() => undefined);
  if (answer !== undefined)
    expect(answer).toMatchObject({ status: 413, body: { error: { code: "REQUEST_TOO_LARGE" } } });
});

test("garbage instead of HTTP ends its own connection and nothing else", async () => {
  const { api, home } = await testDaemon();
  const throwAt = (bytes: Uint8Array | string): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(`${home}/run/mvmd.sock`);
      socket.on("error", () => undefined).once("close", () => resolve());
      socket.end(bytes);
      socket.resume();
    });
  await throwAt("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n");
  await throwAt(`GET / HTTP/1.1\r\n${"x: y\r\n".repeat(100_000)}`);
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), throwAt), { numRuns: 200 });
  expect((await api.json("GET", "/v1/version")).status).toBe(200);
});

test("a thousand idle connections shut nobody out", async () => {
  const { api, home } = await testDaemon();
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "held" });
  await lease.until("created");
  const idle = Array.from({ length: 1_200 }, () => connect(`${home}/run/mvmd.sock`).on("error", () => undefined));
  await sleep(300);
  const began = performance.now();
  expect((await api.json("GET", "/v1/sandboxes/held")).body.state).toBe("running");
  expect(performance.now() - began).toBeLessThan(1_000);
  expect(idle.filter(({ destroyed, readyState }) => destroyed || readyState !== "open").length).toBeGreaterThan(100);
  idle.forEach((socket) => socket.destroy());
});

test("answers about the host fit their schemas, and the API describes itself", async () => {
  const { api } = await testDaemon();
  expect(Value.Check(VersionSchema, (await api.json("GET", "/v1/version")).body)).toBe(true);
  const { body: doctor } = await api.json("GET", "/v1/doctor?refresh=true");
  expect(Value.Check(DoctorReportSchema, doctor)).toBe(true);
  expect((await api.json("GET", "/v1/backends")).body.backends).toMatchObject([{ name: "qemu", available: true }]);
  expect((await api.json("GET", "/v1/catalogue")).body.images.map(({ name }: { name: string }) => name)).toContain(
    "python",
  );
  const { body: openapi } = await api.json("GET", "/v1/openapi.json");
  expect(openapi.openapi).toMatch(/^3\./);
  for (const path of [
    "/v1/sandboxes",
    "/v1/runs",
    "/v1/sandboxes/{ref}/processes",
    "/v1/sandboxes/{ref}/files/content",
  ]) {
    expect(Object.keys(openapi.paths)).toContain(path);
  }
});
