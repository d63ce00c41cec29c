import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { NetworkPolicy, Sandbox, SecretRef } from "@mvm/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { makeAuthority, operatorNetwork, type Outside, serveHttps } from "../support/outside.js";
import { failure, sh, text, useScene } from "../support/scene.js";

const value = "sk-live-Zeisig/85+3=aus Schlesien";
const scene = useScene();
const authority = makeAuthority(["api.test"]);
/** Everything a user of this host gets to see, by where it came from. */
const seen: [from: string, what: string][] = [];
const upstream: string[] = [];
let server: Outside;

const base64 = [0, 1, 2].map((shift) =>
  Buffer.from(`${"x".repeat(shift)}${value}`)
    .toString("base64")
    .slice(shift === 0 ? 0 : 4, -4),
);
const spellings = [
  value,
  ...base64,
  ...base64.map((each) => each.replaceAll("+", "-").replaceAll("/", "_")),
  Buffer.from(value).toString("hex"),
  Buffer.from(value).toString("hex").toUpperCase(),
  encodeURIComponent(value),
  JSON.stringify(value).slice(1, -1).replaceAll("/", "\\/"),
];

/** A command of the user's, with debugging on; kept for the search. */
async function mvmctl(args: readonly string[], stdin = ""): Promise<string> {
  const { stdout, stderr } = await cli(["--debug", ...args], { home: scene.home, stdin, env: { MVM_DEBUG: "1" } });
  seen.push([`stdout of ${args.join(" ")}`, stdout.toString("latin1")], [`stderr of ${args.join(" ")}`, stderr]);
  return stdout.toString();
}

beforeAll(async () => {
  process.env["MVM_DEBUG"] = "1";
  server = await serveHttps(authority, (request, response) => {
    upstream.push(request.headers.authorization ?? "-");
    const said = request.headers.authorization ?? "";
    response.setHeader("x-echo", said);
    response.end([said, Buffer.from(said).toString("base64"), encodeURIComponent(said)].join("\n"));
  });
  operatorNetwork(scene.home, {
    overrides: { "api.test": `127.0.0.1:${server.port}` },
    authorities: [authority.ca],
  });
  await mvmctl(["secret", "put", "api-key", "--host", "api.test"], value);
});
afterAll(async () => {
  delete process.env["MVM_DEBUG"];
  await server.close();
});

it("K-01 K-02 K-09 A-23 one secret through the whole lifecycle, with debugging on, is seen by its server alone", async () => {
  const network = NetworkPolicy.denyByDefault().allowHttps("api.test");
  const secrets = { API_KEY: SecretRef.from("api-key") };
  const sandbox = await scene.sandbox({ name: "canary", network, secrets, detach: true, ttlSeconds: 900 });
  const ask = 'curl -sSi -H "Authorization: Bearer $API_KEY" https://api.test/echo';
  const asked = async (from: string, machine: Sandbox): Promise<void> => {
    seen.push([from, JSON.stringify(await sh(machine, ask))]);
    expect(upstream.splice(0), from).toEqual([`Bearer ${value}`]);
  };
  await asked("a command", sandbox);
  // What fails says so: in the guest, at the host, in the server's name.
  await sh(sandbox, "curl -sS https://evil.test/; curl -sS --resolve evil.test:443:198.18.0.1 https://evil.test/");
  const errors = [
    await failure(sandbox.commands.run(["printenv", "API_KEY"], { user: "nobody-here" })),
    await failure(sandbox.files.read("/proc/self/environ")),
    await failure(Sandbox.create({ home: scene.home, secrets: { A: SecretRef.from("none") }, network })),
  ];
  for (const error of errors) {
    const parts = [
      error.message,
      error.stack ?? "",
      inspect(error, { depth: 9, showHidden: true }),
      JSON.stringify(error),
    ];
    seen.push(["an exception", parts.join("\n")]);
  }
  await sandbox.pause();
  await sandbox.resume();
  await sandbox.cold();
  await sandbox.resume();
  await asked("after cold", sandbox);
  await sandbox.stop();
  await sandbox.start();
  await asked("after stop", sandbox);
  const { id } = await sandbox.snapshot({ name: "canary-snapshot" });
  const [fork] = await sandbox.fork({ count: 1 });
  await asked("a fork", fork!);
  await fork!.destroy();
  await mvmctl(["snapshot", "export", id, join(scene.home, "canary.mvmsnap")]);
  await mvmctl(["exec", "canary", "--", "sh", "-c", `${ask}; env; kill -SEGV $$`]);
  await mvmctl([
    "run",
    "--profile",
    "standard",
    "--secret",
    "API_KEY=api-key",
    "--allow-host",
    "api.test",
    "--",
    "sh",
    "-c",
    ask,
  ]);
  upstream.length = 0;
  for (const args of [
    ["inspect", "canary", "--json"],
    ["ls", "--all", "--json"],
    ["logs", "canary"],
    ["metrics"],
    ["audit", "tail", "--json", "-n", "500"],
    ["secret", "ls", "--json"],
    ["snapshot", "inspect", id, "--json"],
    ["boot-report", "canary"],
    ["doctor", "--json"],
  ]) {
    await mvmctl(args);
  }
  const machine = scene.machine(sandbox)!;
  for (const pid of [machine, scene.daemon()]) {
    for (const file of ["cmdline", "environ"])
      seen.push([`/proc/${pid}/${file}`, readFileSync(`/proc/${pid}/${file}`, "latin1")]);
  }
  // What is in the guest's memory can be in the file that backs it; snapshots are among the files of the state root.
  expect(await text(sandbox, `env | grep -c mvmsecret`)).toBe("1");
  expect(leaks()).toEqual([]);
  // The search finds what it looks for.
  const control = join(scene.home, "control");
  writeFileSync(control, `x${base64[1]}y`);
  expect(leaks()).toEqual([control]);
  rmSync(control);
  await sandbox.destroy();
  expect(leaks()).toEqual([]);
}, 300_000);

it("the audit chain says what left, what was refused, and for which secret, and verifies", async () => {
  const lines = (await mvmctl(["audit", "tail", "--json", "-n", "500"])).trimEnd().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as Entry);
  const of = (event: string) => entries.filter((entry) => entry.event === event).map(({ data }) => data);
  expect(of("secret.used")).toContainEqual({ host: "api.test", secret: "api-key" });
  expect(of("egress.denied")).toContainEqual(expect.objectContaining({ host: "evil.test", reason: "no_rule" }));
  const verdict = await cli(["audit", "verify"], { home: scene.home });
  expect({ code: verdict.code, stderr: verdict.stderr }).toEqual({ code: 0, stderr: "" });
});

interface Entry {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Where one of the spellings is. */
function leaks(): string[] {
  const found = seen.filter(([, what]) => spellings.some((spelling) => what.includes(spelling))).map(([from]) => from);
  // What every home begins with is older than the value. Disks are sparse, which grep knows.
  const older = ["images", "kernels", "boot", "templates"].map((name) => `--exclude-dir=${name}`);
  const patterns = spellings.flatMap((spelling) => ["-e", spelling]);
  const { stdout } = spawnSync("grep", ["-rlaF", ...older, ...patterns, scene.home], { encoding: "utf8" });
  return [...found, ...stdout.split("\n").filter((path) => path !== "")];
}
