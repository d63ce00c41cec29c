import type { CommandResult } from "@mvm/protocol";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { flakeFailure } from "../../src/images/flake/failure.js";
import { fetchedPaths, plannedDerivations } from "../../src/images/flake/missing.js";
import { builtPath, closurePaths } from "../../src/images/flake/outputs.js";
import { resolveFlake } from "../../src/images/flake/resolve.js";

const path = (name: string): string => `/nix/store/0123456789abcdfghijklmnpqrsvwxyz-${name}`;

test.each([
  [
    "input_unavailable",
    "… while fetching the input 'github:a/b'\n\n error: unable to download 'https://api.github.com/x': no",
    "github:a/b",
  ],
  ["substituter_unreachable", "error: unable to download 'https://c.test/nix-cache-info': no", "https://c.test"],
  ["download_failed", "error: unable to download 'https://c.test/x.tar.gz': no", "https://c.test/x.tar.gz"],
  ["unlocked_inputs", "error: flake 'path:/x' requires lock file changes but they're not allowed", "not locked"],
  [
    "no_such_attribute",
    "error: flake 'path:/x' does not provide attribute 'packages.web' or 'web'",
    "'packages.web' or 'web'",
  ],
  [
    "untrusted_cache",
    `warning: ignoring substitute for '${path("a")}' from 'file:///x', as it's not signed by any of the keys`,
    path("a"),
  ],
  ["cache_corrupt", `error: hash mismatch importing path '${path("a")}'`, path("a")],
  [
    "builder_failed",
    `error: builder for '${path("a.drv")}' failed with exit code 3;\n last 1 log lines:\n > no`,
    "> no",
  ],
])("%s is told from what Nix says", (reason, stderr, said) => {
  const error = flakeFailure("nix:app#web", { exitCode: 1, stdout: "", stderr } as CommandResult);
  expect(error).toMatchObject({ name: "BuildError", context: { reason } });
  expect(error.message).toContain(said);
});

test("anything else keeps the last lines of what was said", () => {
  const ended = { exitCode: 1, stdout: "", stderr: "error: something new", timedOut: false } as CommandResult;
  expect(flakeFailure("nix:app#web", ended).message).toContain("something new");
});

test("what a dry run would build is read from its list alone", () => {
  const stderr = `warning: x\nthese 2 derivations will be built:\n  ${path("a.drv")}\n  ${path("b.drv")}\nthese 1 paths will be fetched:\n  ${path("c")}\n`;
  expect(plannedDerivations({ stderr })).toEqual([path("a.drv"), path("b.drv")]);
  expect(plannedDerivations({ stderr: `this derivation will be built:\n  ${path("a.drv")}` })).toEqual([path("a.drv")]);
  expect(plannedDerivations({ stderr: `this path will be fetched:\n  ${path("c.drv")}` })).toEqual([]);
});

test("only fetchers with a fixed hash need the network", () => {
  const fixed = { out: { path: path("src"), hash: "00", hashAlgo: "sha256" } };
  const document = {
    [path("1.drv")]: { builder: "builtin:fetchurl", env: { url: "https://a.test/src" }, outputs: fixed },
    [path("2.drv")]: { builder: "/bin/sh", env: { urls: "https://b.test/1 https://c.test/2" }, outputs: fixed },
    [path("3.drv")]: { builder: "/bin/sh", env: { impureEnvVars: "http_proxy" }, outputs: fixed },
    [path("4.drv")]: { builder: "/bin/sh", env: {}, outputs: fixed },
    [path("5.drv")]: { builder: "/bin/sh", env: { url: "https://d.test/" }, outputs: { out: { path: path("src") } } },
    [path("6.drv")]: null,
  };
  expect(fetchedPaths(document).map(({ url }) => url)).toEqual(["https://a.test/src", "https://b.test/1", null]);
  for (const odd of [undefined, null, 1, "x", [[]], { a: { outputs: [1] } }]) expect(fetchedPaths(odd)).toEqual([]);
});

test.each([
  [[{ outputs: { out: path("a"), dev: path("b") } }], path("a")],
  [[{ outputs: { lib: path("a") } }], path("a")],
  [[{ outputs: { lib: path("a"), dev: path("b") } }], undefined],
  [[{ outputs: { out: "/etc" } }], undefined],
  [[{ outputs: { out: path("a") } }, { outputs: { out: path("b") } }], undefined],
  [[null], undefined],
  [{}, undefined],
])("%j: the one output", (document, wanted) => {
  expect(builtPath(JSON.stringify(document))).toBe(wanted);
});

test("a closure is an object by path or a list, and holds store paths alone", () => {
  const paths = [path("a"), path("b")];
  expect(closurePaths(JSON.stringify({ [path("b")]: {}, [path("a")]: {}, "/etc": {} }))).toEqual(paths);
  expect(closurePaths(JSON.stringify([{ path: path("b") }, { path: path("a") }, null, {}]))).toEqual(paths);
  expect([closurePaths("{"), closurePaths("1"), builtPath("{")]).toEqual([[], [], undefined]);
});

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mvm-flake-"));
  mkdirSync(join(directory, "app"));
  mkdirSync(join(directory, "cache"));
  writeFileSync(join(directory, "app", "flake.nix"), "{ outputs = { self }: { }; }");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const resolved = (more: object) =>
  resolveFlake(
    { directory: join(directory, "app"), ...more },
    { directory, log: join(directory, "log"), signal: new AbortController().signal },
  );
const key = `k-1:${"A".repeat(43)}=`;

test("addresses of binary caches are what the machine may reach; folders are packed and reach nothing", async () => {
  const substituters = ["https://cache.test", "http://c.test:8080/x", join(directory, "cache")];
  const { step, folders, rules } = await resolved({ substituters, trusted_keys: [key] });
  expect(rules).toEqual([
    { host: "cache.test", port: 443, protocol: "https" },
    { host: "c.test", port: 8080, protocol: "http" },
  ]);
  expect(folders).toHaveLength(1);
  expect(step).toMatchObject({ kind: "flake", text: "nix:app#default", attribute: "default", trustedKeys: [key] });
  expect(step.substituters).toEqual(["http://c.test:8080/x", "https://cache.test/"]);
});

test.each([
  [{ substituters: ["https://user:secret@cache.test/"] }],
  [{ substituters: ["ftp://cache.test/"] }],
  [{ substituters: ["cache"] }],
  [{ substituters: ["https://cache.test/?trusted=true"] }],
  [{ trusted_keys: ["k-1:short"] }],
  [{ trusted_keys: [`k 1:${"A".repeat(43)}=`] }],
  [{ trusted_keys: [`${key}\nsandbox = false`] }],
  [{ attribute: "a\nb" }],
  [{ directory: "/nowhere" }],
])("%j is refused", async (more) => {
  await expect(resolved(more)).rejects.toThrow(expect.objectContaining({ name: "InvalidArgumentError" }));
});
