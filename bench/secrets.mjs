import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkPolicy, Sandbox, SecretRef } from "@mvm/sdk";
import { median } from "./stats.mjs";

const mib = 1024 * 1024;
const bytes = 32 * mib;

/** One connection with 60 requests, each with the credential, then one large answer and one large body. */
const client = `
import http.client, os, ssl, sys, time
host = sys.argv[1]; context = ssl._create_unverified_context()
begin = time.perf_counter(); c = http.client.HTTPSConnection(host, context=context); c.connect(); connect = (time.perf_counter() - begin) * 1000
auth = {"Authorization": "Bearer " + os.environ["KEY"]}; times = []
for _ in range(60):
    begin = time.perf_counter(); c.request("GET", "/small", headers=auth); c.getresponse().read(); times.append((time.perf_counter() - begin) * 1000)
begin = time.perf_counter(); c.request("GET", "/large", headers=auth); r = c.getresponse(); buffer = bytearray(1 << 18)
while r.readinto(buffer): pass
down = ${bytes} / 1e6 / (time.perf_counter() - begin); begin = time.perf_counter()
c.request("POST", "/swallow", body=bytes(${bytes}), headers=auth); c.getresponse().read()
print(connect, sorted(times)[30], down, ${bytes} / 1e6 / (time.perf_counter() - begin))`;

/** What it costs that a host is bound to a secret: the same client and server, bound and not bound, in turn. @param mvmctl the command-line program */
export async function measureSecrets({ home, mvmctl }) {
  const directory = mkdtempSync(join(tmpdir(), "mvm-bench-"));
  const subject = ["-subj", "/CN=bound.test", "-addext", "subjectAltName=DNS:bound.test,DNS:free.test"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const [keyFile, certFile] = [join(directory, "key"), join(directory, "cert")];
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", keyFile, "-out", certFile, ...subject], {
    stdio: "pipe",
  });
  const [key, cert] = [readFileSync(keyFile), readFileSync(certFile, "utf8")];
  rmSync(directory, { recursive: true });
  const server = createServer({ key, cert }, (request, response) => {
    request.resume().once("end", () => response.end(request.url === "/large" ? Buffer.alloc(bytes, "a") : "ok"));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const at = `127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  mkdirSync(join(home, "policy"), { recursive: true, mode: 0o700 });
  const file = join(home, "policy", "network.json");
  writeFileSync(file, JSON.stringify({ overrides: { "bound.test": at, "free.test": at }, authorities: [cert] }), {
    mode: 0o600,
  });
  execFileSync(mvmctl, ["secret", "put", "bench", "--host", "bound.test"], {
    input: "a value of the bench",
    stdio: ["pipe", "pipe", "pipe"],
  });
  const network = NetworkPolicy.denyByDefault().allowHttps("bound.test").allowHttps("free.test");
  const sandbox = await Sandbox.create("python", { network, secrets: { KEY: SecretRef.from("bench") } });
  const rounds = { bound: [], free: [] };
  for (let round = 0; round < 5; round++) {
    for (const which of ["free", "bound"]) {
      const run = ["python3", "-c", client, `${which}.test`];
      const { stdout, stderr, exitCode } = await sandbox.commands.run(run, { timeoutSeconds: 300 });
      if (exitCode !== 0) throw new Error(stderr);
      rounds[which].push(stdout.trim().split(" ").map(Number));
    }
  }
  await sandbox.destroy();
  server.close();
  rmSync(file);
  const value = (which, index) => median(rounds[which].map((values) => values[index]));
  const row = (what, index, unit) => {
    const [bound, free] = [value("bound", index), value("free", index)];
    return [
      `secrets: ${what}`,
      `${bound.toFixed(1)} ${unit}`,
      `${(bound / free).toFixed(2)} × unbound (${free.toFixed(1)} ${unit})`,
      "",
      true,
    ];
  };
  return [
    row("connect, with TLS", 0, "ms"),
    row("request with a credential", 1, "ms"),
    row("32 MiB down", 2, "MB/s"),
    row("32 MiB up", 3, "MB/s"),
  ];
}
