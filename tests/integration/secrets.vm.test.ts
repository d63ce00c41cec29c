import { spawnSync } from "node:child_process";
import { NetworkPolicy, Sandbox, SecretRef } from "@mvm/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { isLive } from "../support/daemon.js";
import { makeAuthority, operatorNetwork, type Outside, serveHttps } from "../support/outside.js";
import { sh, text, until, useScene, verdict } from "../support/scene.js";

const value = "sk-live-Kanarienvogel/42+7";
const names = ["api.test", "other.test"];
const scene = useScene();
const authority = makeAuthority(names);
const network = names.reduce((policy, name) => policy.allowHttps(name), NetworkPolicy.denyByDefault());
const secrets = { API_KEY: SecretRef.from("api-key") };
/** Host and credentials of what the server was asked. */
const seen: string[] = [];
let server: Outside;
let sandbox: Sandbox;

async function secret(...args: string[]): Promise<void> {
  const { code, stderr } = await cli(["secret", ...args], { home: scene.home, stdin: value });
  expect({ code, stderr }).toMatchObject({ code: 0 });
}

beforeAll(async () => {
  server = await serveHttps(authority, (request, response) => {
    seen.push(`${request.headers.host} ${request.headers.authorization ?? "-"}`);
    if (request.url === "/echo") response.end(request.headers.authorization);
    else request.pipe(response);
  });
  const overrides = Object.fromEntries(names.map((name) => [name, `127.0.0.1:${server.port}`]));
  operatorNetwork(scene.home, { overrides, authorities: [authority.ca] });
  await secret("put", "api-key", "--host", "api.test");
  sandbox = await scene.sandbox({ image: "python", network, secrets, ttlSeconds: 900 });
});
afterAll(() => server.close());

/** Asks as a program would that holds the placeholder; gives what the server then had seen. */
async function asked(machine: Sandbox, path = "x", options = ""): Promise<string[]> {
  seen.length = 0;
  await sh(machine, `curl -sS ${options} -H "Authorization: Bearer $API_KEY" https://api.test/${path}`);
  return seen.splice(0);
}
const substituted = [`api.test Bearer ${value}`];

async function certificate(machine: Sandbox): Promise<string> {
  return await text(machine, "cat /etc/ssl/certs/mvm-sandbox.pem");
}

it("K-03 K-18 the guest holds a placeholder and a certificate, neither value nor key", async () => {
  expect(await text(sandbox, "echo $API_KEY")).toMatch(/^mvmsecret[0-9a-f]{40}$/);
  expect(await certificate(sandbox)).toMatch(/^-----BEGIN CERTIFICATE-----[^]*-----END CERTIFICATE-----$/);
  const keys = "grep -rlE 'BEGIN (EC )?PRIVATE KEY' /etc/ssl /usr/local/share /home /run /tmp 2>/dev/null || true";
  expect(await text(sandbox, keys, { user: "root" })).toBe("");
});

it("curl posts a body, and the server alone sees the value", async () => {
  expect(await text(sandbox, `curl -sS -u "me:$API_KEY" -d "a body" https://api.test/x`)).toBe("a body");
  expect(seen.splice(0)).toEqual([`api.test Basic ${Buffer.from(`me:${value}`).toString("base64")}`]);
});

it("the use of a secret is in the audit log, once for its host, without its value", async () => {
  expect(await asked(sandbox)).toEqual(substituted);
  const { stdout } = await cli(["audit", "tail", "-n", "500", "--json"], { home: scene.home });
  expect(stdout.toString()).not.toContain(value);
  const used = stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { event: string; sandbox_id: string; data: object })
    .filter((entry) => entry.event === "secret.used" && entry.sandbox_id === sandbox.id);
  expect(used.map(({ data }) => data)).toEqual([{ secret: "api-key", host: "api.test" }]);
});

it("Python believes the sandbox's authority, with and without its variables", async () => {
  const script = [
    "import os, sys, urllib.request as u",
    `r = u.Request("https://api.test/x", b"body", {"Authorization": "Bearer " + sys.argv[1]})`,
    "print(u.urlopen(r).read())",
  ].join("\n");
  await sandbox.files.write("/home/user/ask.py", script);
  expect(await text(sandbox, "python3 ask.py $API_KEY && env -i python3 ask.py $API_KEY")).toBe("b'body'\nb'body'");
  expect(seen.splice(0)).toEqual([...substituted, ...substituted]);
});

it("K-07 what the server echoes comes back masked", async () => {
  const echoed = await text(sandbox, `curl -sS --compressed -H "Authorization: Bearer $API_KEY" https://api.test/echo`);
  expect(echoed).toBe(`Bearer ${"*".repeat(value.length)}`);
  seen.length = 0;
});

it("K-04 K-05 K-16 another host, name or address gets no value", async () => {
  const ask = (rest: string) => sh(sandbox, `curl -sSk -H "Authorization: Bearer $API_KEY" ${rest}`);
  await ask("https://other.test/x");
  expect(seen.splice(0)).toEqual([expect.stringMatching(/^other\.test Bearer mvmsecret[0-9a-f]{40}$/)]);
  const refused = [
    `--connect-to api.test:443:other.test:443 https://api.test/x`,
    `--connect-to other.test:443:api.test:443 https://other.test/x`,
    `-H "Host: other.test" https://api.test/x`,
    `--http2-prior-knowledge https://api.test/x`,
  ];
  for (const rest of refused) expect((await ask(rest)).exitCode, rest).not.toBe(0);
  expect(seen.splice(0)).toEqual([]);
  const cuts: string[] = [];
  for await (const { line } of sandbox.logs({ source: "supervisor" }))
    cuts.push(/"(?:cut|reason)":"([a-z_]+)"/.exec(line)?.[1] ?? "");
  expect(cuts).toEqual(expect.arrayContaining(["other_server_name", "other_host", "guest_tls"]));
});

it("a sandbox that its daemon left goes on with the next, restores and forks have an authority of their own", async () => {
  await sandbox.detach({ ttlSeconds: 900 });
  const daemon = scene.daemon();
  const before = await certificate(sandbox);
  process.kill(daemon, "SIGKILL");
  await until("the daemon is gone", () => !isLive(daemon));
  const again = await Sandbox.connect(sandbox.id, { home: scene.home });
  expect(await certificate(again)).toBe(before);
  expect(await asked(again)).toEqual(substituted);
  const { id } = await again.snapshot({ name: "with-secrets" });
  const restored = await Sandbox.restore(id, { home: scene.home });
  try {
    expect(await asked(restored)).toEqual(substituted);
    const [fork] = await restored.fork({ count: 1 });
    expect(await asked(fork!)).toEqual(substituted);
    const certificates = [before, await certificate(restored), await certificate(fork!)];
    expect(new Set(certificates).size).toBe(3);
    expect(await text(fork!, "grep -c 'authority of this sandbox' /etc/ssl/certs/ca-certificates.crt")).toBe("1");
    await fork!.destroy();
  } finally {
    await restored.destroy();
  }
}, 300_000);

it("K-01 K-09 no file of the state root holds the value, snapshot, logs and audit included", () => {
  // What every home begins with is older than the value.
  const older = ["images", "kernels", "boot", "templates"].map((name) => `--exclude-dir=${name}`);
  const base64 = Buffer.from(value).toString("base64").slice(0, -4);
  const grep = ["-rlaF", ...older, "-e", value, "-e", base64, scene.home];
  expect(spawnSync("grep", grep).stdout.toString()).toBe("");
});

it("K-15 a removed secret cuts the next request, and no start and no restore goes without it", async () => {
  const again = await Sandbox.connect(sandbox.id, { home: scene.home });
  await secret("rm", "api-key");
  expect(await asked(again)).toEqual([]);
  await again.stop();
  expect(await verdict(() => again.start())).toBe("PolicyDenied SECRET_DENIED");
  expect(await verdict(() => Sandbox.restore("with-secrets", { home: scene.home }))).toBe("PolicyDenied SECRET_DENIED");
  await secret("put", "api-key", "--host", "api.test");
  await again.start();
  expect(await asked(again)).toEqual(substituted);
}, 300_000);

it("Node's fetch, in a machine of the node image", async () => {
  const node = await scene.sandbox({ image: "node", network, secrets });
  const script = `fetch("https://api.test/x", { method: "POST", body: "b", headers: { authorization: "Bearer " + process.env.API_KEY } }).then(async (r) => console.log(await r.text()))`;
  expect((await node.commands.run(["node", "-e", script], { timeoutSeconds: 120 })).stdout).toBe("b\n");
  expect(seen.splice(0)).toEqual(substituted);
}, 300_000);
