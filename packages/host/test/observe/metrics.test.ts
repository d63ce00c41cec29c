import { expect, test } from "vitest";
import { Meters } from "../../src/observe/meters.js";
import { labelNames, Tally } from "../../src/observe/tally.js";
import { processBackend } from "../fixture/process-backend.js";
import { testDaemon } from "../fixture/daemon.js";

const exec = (argv: string[], more: object = {}) => ({ argv, ...more });

test("counts every command by how it ended, and says so alike in all three documents", async () => {
  const { api } = await testDaemon();
  const box = "/v1/sandboxes/box";
  await api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  const run = (argv: string[], more?: object) => api.lines("POST", `${box}/processes`, exec(argv, more));
  await run(["echo", "hello"]);
  await run(["sh", "-c", "echo err >&2; exit 3"]);
  await run(["sh", "-c", "kill -9 $$"]);
  await run(["sleep", "60"], { timeout_ms: 50 });
  const one = (await api.json("GET", `${box}/metrics`)).body;
  expect(one.commands).toMatchObject({
    ...{ running: 0, ended: 4, stdout_bytes: 6, stderr_bytes: 4, backpressure_events: 0 },
    outcomes: { ok: 1, failed: 1, signal: 1, timeout: 1, oom: 0, lost: 0 },
  });
  expect(one.commands.recent.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
    ...["ok", "failed", "signal", "timeout"],
  ]);
  expect(one.commands.recent[1]).toMatchObject({
    exit_code: 3,
    stderr_bytes: 4,
    run_id: expect.stringMatching(/^run_/),
  });
  expect(one.last_ready_at).toBe((await api.json("GET", box)).body.ready_at);

  const all = (await api.json("GET", "/v1/metrics")).body;
  expect(all.commands.ended.map(({ result, value }: Record<string, unknown>) => [result, value])).toEqual([
    ...[
      ["ok", 1],
      ["failed", 1],
      ["signal", 1],
      ["timeout", 1],
    ],
  ]);
  expect(all.runtime).toMatchObject({ queue_depth: 0, sandboxes: [{ state: "running", value: 1 }] });
  expect(all.runtime.starts).toEqual([
    { backend: "qemu/tcg", profile: "standard", result: "ok", image: "000000000000", value: 1 },
  ]);
  const text = (await api.json("GET", "/metrics")).body as string;
  expect(text).toContain(
    'mvm_commands_total{backend="qemu/tcg",profile="standard",image="000000000000",result="timeout"} 1',
  );
  expect(text).toContain(
    'mvm_command_output_bytes_total{backend="qemu/tcg",profile="standard",image="000000000000"} 10',
  );
});

test("a start that fails and a command whose machine dies are counted as what they are", async () => {
  let refuse = false;
  const beforeSpawn = () => (refuse ? Promise.reject(new Error("no")) : Promise.resolve());
  const { api } = await testDaemon({ backend: processBackend({ beforeSpawn }) });
  await api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  await api.lines("POST", "/v1/sandboxes/box/processes", exec(["%crash"]));
  refuse = true;
  await api.lines("POST", "/v1/sandboxes", { name: "other", detach: true, ttl_seconds: 600 });
  const { runtime, commands } = (await api.json("GET", "/v1/metrics")).body;
  const counts = (rows: { result: string; value: number }[]) => rows.map(({ result, value }) => [result, value]);
  expect(counts(runtime.starts)).toEqual([
    ["ok", 1],
    ["SandboxError", 1],
  ]);
  expect(counts(commands.ended)).toEqual([["lost", 1]]);
});

test("a reader that does not read is counted as back-pressure", async () => {
  const { api } = await testDaemon();
  await api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  const argv = ["sh", "-c", "head -c 20000000 /dev/zero"];
  const { response, abort } = await api.send("POST", "/v1/sandboxes/box/processes", { argv, stream: true });
  response.pause();
  let events = 0;
  while (events === 0) {
    events = (await api.json("GET", "/v1/sandboxes/box/metrics")).body.commands.backpressure_events as number;
  }
  abort();
  expect(events).toBeGreaterThan(0);
});

test("K-09 no label says more than backend, state, profile, result class and image; nothing says argv, env, name or id", async () => {
  const { api } = await testDaemon();
  const secret = "s3cret-canary";
  const created = {
    name: `box-${secret}`,
    detach: true,
    ttl_seconds: 600,
    env: { CANARY: secret },
    tags: { tag: secret },
  };
  await api.lines("POST", "/v1/sandboxes", created);
  const canary = `/v1/sandboxes/box-${secret}`;
  await api.lines("POST", `${canary}/processes`, exec(["echo", secret], { env: { A: secret }, cwd: `/${secret}` }));
  const text = (await api.json("GET", "/metrics")).body as string;
  expect(text).not.toContain(secret);
  expect(text).not.toMatch(/sbx_|run_/);
  const labels = [...text.matchAll(/^\w+\{([^}]*)\}/gm)].flatMap(([, inside = ""]) => inside.match(/\w+(?==")/g) ?? []);
  expect(labels.length).toBeGreaterThan(0);
  expect([...new Set(labels)].filter((label) => !(labelNames as readonly string[]).includes(label))).toEqual([]);
  const { name: _name, ...numbers } = (await api.json("GET", `${canary}/metrics`)).body;
  expect(JSON.stringify(numbers)).not.toContain(secret);
});

test("a tally is bounded, and loses no count at its bound", () => {
  const tally = new Tally();
  for (let n = 0; n < 2_000; n++) tally.add({ image: String(n) });
  const rows = tally.list();
  expect(rows.length).toBeLessThanOrEqual(501);
  expect(rows.reduce((sum, { value }) => sum + value, 0)).toBe(2_000);
});

test("a build is measured phase by phase, hits and misses by image", () => {
  const meters = new Meters();
  meters.imageHit(`sha256:${"a".repeat(64)}`);
  const build = meters.build("python");
  for (const phase of ["packages", "packages", "digest"]) build.phase(phase);
  expect(meters.builds()[0]).toMatchObject({ name: "python", digest: null, result: "running" });
  build.ended({ digest: `sha256:${"b".repeat(64)}` });
  meters.build("node").ended({ error: new Error("full") });
  const [python, node] = meters.builds();
  expect(python).toMatchObject({ digest: `sha256:${"b".repeat(64)}`, result: "ok" });
  expect(python?.phases.map(({ phase }) => phase)).toEqual(["packages", "digest"]);
  expect(node).toMatchObject({ digest: null, result: "SandboxError" });
  expect(meters.images.list().map(({ labels, value }) => [labels.result, labels.image?.length, value])).toEqual([
    ...[
      ["hit", 12, 1],
      ["miss", 12, 1],
      ["miss", undefined, 1],
    ],
  ]);
});

test("memory that machines have in common counts for each in part", async () => {
  const { api } = await testDaemon();
  for (const name of ["one", "two"]) await api.lines("POST", "/v1/sandboxes", { name, detach: true, ttl_seconds: 600 });
  const { host } = (await api.json("GET", "/v1/sandboxes/one/metrics")).body;
  // Two processes of one program share its text: the share is smaller than what is resident, and not nothing.
  expect(host.pss_bytes).toBeGreaterThan(1024 ** 2);
  expect(host.pss_bytes).toBeLessThan(host.rss_bytes);
  const text = (await api.json("GET", "/metrics")).body as string;
  const [, total] = /^mvm_sandbox_memory_bytes\{.*\} (\d+)$/m.exec(text) ?? [];
  expect(Number(total)).toBeLessThan(2 * host.rss_bytes);
});
