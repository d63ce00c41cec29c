import { expect, test } from "vitest";
import { irHash, lowerDeclaration, validateWorkload } from "../../src/workload/index.js";
import { declaration } from "./samples.js";

const problems = (change: object): string[] =>
  lowerDeclaration({ ...declaration, ...change }).problems.map(({ code, path }) => `${code} ${path}`);

test("a declaration becomes a valid workload in normal form", () => {
  const { workload } = lowerDeclaration(declaration);
  expect(validateWorkload(workload)).toEqual([]);
  const app = workload?.apps[0];
  expect(app?.image).toEqual({
    kind: "reference",
    reference: "ghcr.io/acme/etl:1",
    digest: `sha256:${"5f".repeat(32)}`,
  });
  expect(app?.entrypoints).toEqual([
    {
      kind: "command",
      command: ["python3", "/app/main.py"],
      working_dir: "/app",
      env: {},
      user: "root",
      timeout_ms: 1500,
    },
  ]);
  expect(Buffer.from(app?.files?.[0]?.bytes_b64 ?? "", "base64").toString()).toBe("print('äöü 🙂')\n");
  expect(app?.network?.egress?.allowlist).toEqual([{ host: "api.example.com", port: 443, protocol: "https" }]);
  expect(app?.env?.["API_KEY"]).toEqual({
    kind: "secret_ref",
    ref: {
      name: "api-key",
      mount: { kind: "env", var: "API_KEY" },
      hosts: ["api.example.com"],
      header: "authorization",
    },
  });
});

test("defaults that are spelled out change nothing", () => {
  const short = { id: "a", image: "python", command: ["true"], resources: {} };
  const long = {
    ...short,
    resources: { cpu: 1, memoryMb: 512, diskMb: 2048 },
    env: {},
    files: {},
    network: { default: "deny", allow: [] },
    profile: "standard",
    cwd: "/home/user",
  };
  const [a, b] = [lowerDeclaration(short), lowerDeclaration(long)];
  expect(a.workload && irHash(a.workload)).toBe(b.workload && irHash(b.workload));
});

test.each([
  [{ image: "python@sha256:beef" }, "E_INVALID_IMAGE /image"],
  [{ command: [] }, "E_INVALID_VALUE /command"],
  [{ files: { "main.py": "" } }, "E_INVALID_PATH /files/main.py"],
  [{ files: { "/a/b": "x".repeat(6 * 1024 * 1024) } }, "E_TOO_LARGE /files"],
  [{ env: { API_KEY: "sk-1" } }, "E_ENV_CONFLICT /secrets/API_KEY"],
  [{ secrets: { "A-B": { secret: "x" } } }, "E_INVALID_ENV /secrets/A-B"],
  [
    { network: { default: "deny", allow: [{ host: "*", port: 443, protocol: "tcp" }] } },
    "E_NETWORK_WILDCARD /network/allow/0/host",
  ],
  [{ network: { default: "allow", allow: [] } }, "E_INVALID_VALUE /network/default"],
  [{ ports: [1, 2].map((guestPort) => ({ guestPort, hostPort: 8080 })) }, "E_DUPLICATE_PORT /ports/1/hostPort"],
  [{ timeoutSeconds: -1 }, "E_INVALID_VALUE /timeoutSeconds"],
  [{ timeoutSeconds: "1" }, "E_INVALID_VALUE /timeoutSeconds"],
  [{ mounts: [{ host: "data", guest: "/data" }] }, "E_INVALID_PATH /mounts/0/host"],
  [{ memory: 1 }, "E_UNKNOWN_FIELD /memory"],
])("%j is refused at its place", (change, problem) => {
  expect(problems(change)).toEqual([problem]);
});
