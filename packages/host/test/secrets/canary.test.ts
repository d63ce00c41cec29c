import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryHome, testDaemon } from "../fixture/daemon.js";
import type { Loose } from "../fixture/api-client.js";

const value = 'sk-canary/"7f3a+9Zz"\\end';

/** Every form in which a value may be written down, short of its ends where an encoding mixes them with neighbours. */
const forms: readonly string[] = [
  value,
  JSON.stringify(value).slice(1, -1),
  JSON.stringify(JSON.stringify(value).slice(1, -1)).slice(1, -1),
  encodeURIComponent(value),
  Buffer.from(value).toString("hex"),
  Buffer.from(value).toString("hex").toUpperCase(),
  ...["", "a", "ab"].flatMap((lead) =>
    (["base64", "base64url"] as const).map((encoding) =>
      Buffer.from(`${lead}${value}`).toString(encoding).slice(4, -4),
    ),
  ),
];

/** Files of a state root, those of the running machines' sockets aside. */
function filesOf(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    const at = lstatSync(path);
    return at.isDirectory() ? filesOf(path) : at.isFile() ? [path] : [];
  });
}

test("K-12 a secret that goes through everything is in no answer, no log and no file of the state root", async () => {
  const home = temporaryHome();
  const { api, daemon, log } = await testDaemon({ home });
  const said: string[] = [];
  const ask = async (method: string, path: string, body?: unknown): Promise<Loose> => {
    const answer = await api.json(method, path, body);
    said.push(JSON.stringify(answer.body));
    return answer.body as Loose;
  };
  const url = encodeURIComponent(value);
  const network = { default: "deny", allow: [{ host: "api.test", port: 443, protocol: "https" }] };
  const wanted = { network, secrets: { KEY: { secret: "key" } } };
  await ask("PUT", "/v1/secrets/key", { value, hosts: ["api.test"] });
  await ask("GET", "/v1/secrets");
  await ask("GET", "/v1/policy");
  expect((await ask("POST", "/v1/policy/check", wanted)).plan.secrets).toBeDefined();
  // Not for its outcome, but for what is said about it: this machine has no way out.
  await ask("POST", "/v1/runs", { sandbox: { ...wanted, backend: "none" }, command: { argv: ["true"] } });
  await api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  const sandbox = daemon.services.registry.get("box", "test");
  sandbox.logs.redactor.protect([value]);

  const shell = 'printf %s "$V"; printf %s "$V" | base64; printf %s "$V" | od -An -tx1 | tr -d " \\n" >&2; exit 3';
  const ran = await api.lines("POST", "/v1/sandboxes/box/processes", { shell, env: { V: value }, stream: true });
  said.push(JSON.stringify(ran));
  expect(ran.at(-1)?.["result"]).toMatchObject({ exit_code: 3 });
  const streamed = ran
    .filter(({ event }) => event === "stdout")
    .map(({ data }) => Buffer.from(data as string, "base64"));
  said.push(Buffer.concat(streamed).toString());
  expect(said.at(-1)).toContain("[redacted]");
  said.push(JSON.stringify(await api.lines("POST", "/v1/sandboxes/box/processes", { argv: [`/no/${value}`] })));
  const spent = { shell: 'printf %s "$V"; sleep 60', env: { V: value }, timeout_ms: 200 };
  said.push(JSON.stringify(await api.lines("POST", "/v1/sandboxes/box/processes", spent)));

  sandbox.logs.event("test", { detail: value });
  daemon.services.log.debug({ value, [value]: 1 }, `about ${value}`);
  for (const [method, path] of [
    ...["", "/logs", "/metrics", "/boot-report", "/ports"].map((part) => ["GET", `/v1/sandboxes/box${part}`]),
    ...["/v1/metrics", "/v1/doctor", "/v1/sandboxes", `/v1/sandboxes/${url}`, `/${url}`].map((at) => ["GET", at]),
    ["POST", "/v1/sandboxes/box/snapshots"],
    ["POST", `/v1/snapshots/${url}/restore`],
    ["DELETE", `/v1/sandboxes/${url}`],
    ["POST", "/v1/secrets/rotate"],
    ["POST", "/v1/sandboxes/box/stop"],
    ["DELETE", "/v1/sandboxes/box"],
    ["DELETE", "/v1/secrets/key"],
  ] as [string, string][]) {
    await ask(method, path, method === "POST" ? {} : undefined);
  }
  await daemon.close();

  const places = new Map([
    ...said.map((text, at): [string, string] => [`answer ${at}`, text]),
    ["the daemon's log", log.join("")],
    ...filesOf(home).map((path): [string, string] => [path, readFileSync(path, "latin1")]),
  ]);
  const kinds = [...places.keys()].join("\n");
  for (const kind of ["audit/local/log.jsonl", "receipts/local/run_", "keys/"]) expect(kinds).toContain(kind);
  for (const [place, text] of places) {
    for (const form of forms) expect(text.includes(form), `${place} holds ${form}`).toBe(false);
  }
});
