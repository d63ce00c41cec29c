import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandFailed, ImageBuildRecipe } from "@mvm/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeAuthority, operatorNetwork, type Outside, serveHttps } from "../support/outside.js";
import { makeRegistries } from "../support/registries.js";
import { cli, document } from "../support/cli.js";
import { machinesGone } from "../support/daemon.js";
import { text, useScene } from "../support/scene.js";

const scene = useScene();
const authority = makeAuthority(["pypi.test", "npm.test"]);
const registries = makeRegistries();
let server: Outside;

beforeAll(async () => {
  server = await serveHttps(authority, registries.listener);
  const here = `127.0.0.1:${server.port}`;
  operatorNetwork(scene.home, { overrides: { "pypi.test": here, "npm.test": here } });
  const ca = join(scene.home, "policy", "ca.pem");
  writeFileSync(ca, authority.ca);
  const packages = { pip: { allow: ["Tiny"], index: "https://pypi.test/simple/", ca } };
  writeFileSync(join(scene.home, "policy", "packages.json"), JSON.stringify(packages), { mode: 0o600 });
  // The daemon is there before a build is asked for.
  await scene.sandbox({ image: "minimal" });
});
afterAll(async () => {
  await server.close();
  registries.remove();
});

/** Machines of the size the tests have a template for. */
const size = { memory_mb: 512 } as const;

async function build(name: string, recipe: ImageBuildRecipe) {
  const lines = await scene.api.lines("POST", "/v1/images", { name, recipe });
  const last = lines.at(-1)!;
  const phases = lines.filter(({ event }) => event === "progress").map((line): string => line["phase"]);
  return { phases, digest: last["image"]?.digest, cache: last["cache"], error: last["error"] };
}

const names = (): string[] => readdirSync(join(scene.home, "images", "refs")).sort();
const temporary = (): string[] => readdirSync(join(scene.home, "tmp")).filter((name) => name.startsWith("build-"));

it("a package outside of the list is refused before anything runs", async () => {
  const { error } = await build("bad", { from: "python", packages: { pip: ["tiny", "tinny"] } });
  expect(error).toMatchObject({ name: "PackageNotAllowedError", code: "PACKAGE_NOT_ALLOWED" });
  expect(error.message).toContain("tinny");
  expect(server.connections).toBe(0);
  expect(names()).not.toContain("bad.json");
});

it("a package of pip: built in a machine, pinned in the record, warm, and taken from the cache the second time", async () => {
  const serve = ["python3", "-m", "http.server", "--directory", "/usr/local", "8000"];
  const ready = ["curl", "-sf", "-o", "/tmp/answer", "http://127.0.0.1:8000/"];
  const warm = { run: [["python3", "-c", "import tiny; open('/tmp/warm', 'w')"]], serve, ready };
  const recipe = { from: "python", packages: { pip: ["TINY==1.*"] }, warm, ...size };
  const first = await build("tiny", recipe);
  expect(first.error).toBeUndefined();
  expect(first.cache).toEqual({ hit: false, reason: "nothing was built under this name before" });
  expect(first.phases).toEqual(expect.arrayContaining(["resolve", "packages", "pack", "receive", "check", "done"]));
  const record = JSON.parse(readFileSync(join(scene.home, "images", `${first.digest.slice(7)}.json`), "utf8"));
  expect(record.packages).toContainEqual({ name: "tiny", version: "1.0", arch: "all", manager: "pip" });
  expect(first.phases).toContain("warm");
  const templates = readdirSync(join(scene.home, "templates")).length;
  const failing = await build("tiny", { from: "minimal", warm: { run: [["false"]] }, ...size });
  expect(failing.error).toMatchObject({ name: "BuildError", code: "BUILD_FAILED" });
  expect((await scene.api.json("GET", "/v1/images/tiny")).body.digest).toBe(first.digest);
  expect(readdirSync(join(scene.home, "templates"))).toHaveLength(templates);
  expect((await scene.api.json("GET", "/v1/images")).body.images.map(({ name }: { name: string }) => name)).toContain(
    "tiny",
  );
  const stated = await cli(["image", "verify", "tiny", "--json"], { home: scene.home });
  expect(document(stated)).toMatchObject({
    ...{ ok: true, image: first.digest, build_type: "https://mvm.dev/image/build/v1", signed: "at_publication" },
  });
  const sandbox = await scene.sandbox({ image: "tiny" });
  expect(await text(sandbox, "cd / && python3 -c 'import tiny; print(tiny.origin)'")).toBe("a local index");
  expect(
    await text(sandbox, "ls /tmp/warm /tmp/answer && curl -sf http://127.0.0.1:8000/ | grep -o bin/ | head -1"),
  ).toBe("/tmp/answer\n/tmp/warm\nbin/");
  expect(await build("tiny", recipe)).toMatchObject({ digest: first.digest, cache: { hit: true, reason: null } });
  const { builds } = (await scene.api.json("GET", "/v1/metrics")).body;
  const recent = builds.recent.filter((one: { name: string }) => one.name === "tiny");
  expect(recent.map((one: { digest: string | null }) => one.digest)).toEqual([first.digest, null, first.digest]);
}, 300_000);

it("a package of Debian: chosen and brought by the host, installed in a machine without a network; what is there is not again", async () => {
  const recipe = { from: "minimal", packages: { apt: ["jq"] }, ...size };
  const { error, digest } = await build("queries", recipe);
  expect(error).toBeUndefined();
  const record = JSON.parse(readFileSync(join(scene.home, "images", `${digest.slice(7)}.json`), "utf8"));
  expect(record.packages.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(["jq", "libjq1"]));
  expect((await build("queries", recipe)).cache).toEqual({ hit: true, reason: null });
  // Nothing is missing, so nothing changes: not a byte.
  const again = await build("again", { from: digest, packages: { apt: ["jq=1.*"] }, ...size });
  expect(again).toMatchObject({ error: undefined, digest });
  const sandbox = await scene.sandbox({ image: "queries" });
  expect(await text(sandbox, "echo '[6,7]' | jq '.[0]*.[1]'; ls /tmp /usr/sbin/*.mvm 2>/dev/null || true")).toBe(
    "42\n/tmp:",
  );
  const missing = await build("none", { from: "minimal", packages: { apt: ["jq=0.1"] }, ...size });
  expect(missing.error).toMatchObject({ name: "BuildError", message: expect.stringContaining("'0.1' for 'jq'") });
  expect((await build("bad", { from: "minimal", packages: { apt: ["apt-get"] } })).error.name).toBe(
    "PackageNotAllowedError",
  );
}, 300_000);

it("a package of pip in a running sandbox: only where it may reach the index, with versions and receipts", async () => {
  const allow = [{ host: "pypi.test", port: 443, protocol: "https" as const }];
  const [closed, open] = await Promise.all([
    scene.sandbox({ image: "python" }),
    scene.sandbox({ image: "python", network: { default: "deny", allow }, env: { PYTHONPATH: "/home/user" } }),
  ]);
  const before = server.connections;
  await expect(closed.packages.install(["tiny"])).rejects.toMatchObject({
    ...{ name: "PolicyDenied", code: "NETWORK_DENIED", outcome: "not_started", context: { hosts: "pypi.test:443" } },
  });
  expect(server.connections).toBe(before);
  // A module of the user's under the name of one that pip loads must not run as root.
  await open.files.write("/home/user/optparse.py", "open('/tmp/loaded', 'w')");
  const { installed, runs } = await open.packages.install(["TINY == 1.*"]);
  expect(installed).toEqual([{ name: "tiny", version: "1.0", requested: true }]);
  for (const { receipt } of runs) expect(existsSync(receipt ?? "none")).toBe(true);
  expect(await text(open, "ls /tmp; python3 -c 'import tiny; print(tiny.origin)'")).toBe("a local index");
  const failed = await open.packages.install(["tiny==7"]).catch((error: unknown) => error);
  expect(failed).toMatchObject({ name: "CommandFailed", code: "COMMAND_FAILED", operation: "packages.install" });
  expect((failed as CommandFailed).result.stderr).toContain("tiny==7");
});

const dockerfile = `
ARG BASE=nothing
FROM $BASE AS first
ARG WORD=one
RUN echo "$WORD" >/etc/word
WORKDIR /srv/app
FROM first
COPY --chown=user *.txt sub ./
ENV GREETING="hello there" PATH=/srv/app:$PATH
USER root
RUN ["chmod", "4755", "/srv/app/tool"]
`;

it("a Dockerfile; killed, it leaves no name, no machine and, after the next build, no file; built twice it has one digest", async () => {
  const context = join(scene.home, "context");
  mkdirSync(join(context, "sub"), { recursive: true });
  const files = {
    Dockerfile: dockerfile,
    ".dockerignore": "no.txt\n",
    "a.txt": "a",
    "no.txt": "no",
    "sub/tool": "#!/bin/sh\nid -u\n",
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(context, name), content);
  const recipe = { dockerfile: { context, build_args: { BASE: "minimal", WORD: "two" } }, cache: false, ...size };
  const before = names();
  const answer = await scene.api.open("POST", "/v1/images", { name: "killed", recipe });
  for (let line = await answer.until("progress"); line["phase"] !== "receive";) line = await answer.until("progress");
  process.kill(scene.daemon(), "SIGKILL");
  await expect(answer.until("built")).rejects.toThrow();
  await machinesGone(scene.home);
  expect(names()).toEqual(before);
  expect(temporary()).toHaveLength(1);
  await scene.sandbox({ image: "minimal" });
  const first = await build("once", recipe);
  expect(first.error).toBeUndefined();
  expect(temporary()).toEqual([]);
  expect((await build("twice", recipe)).digest).toBe(first.digest);
  const sandbox = await scene.sandbox({ image: first.digest });
  expect(await text(sandbox, "cat /etc/word a.txt; echo $GREETING; ls; pwd; tool; stat -c '%U %a' a.txt tool")).toBe(
    ["two", "ahello there", "a.txt", "tool", "/srv/app", "0", "user 644", "user 755"].join("\n"),
  );
}, 400_000);

const copying = `FROM minimal AS make
COPY files /src
RUN mkdir -p /out/lib && cp /src/word /out/word && ln -s word /out/link && ln -s /out/word /named
RUN for name in a "b c"; do echo "$name" >"/out/lib/$name.so"; done; ln -s /etc/passwd /out/lib/host; mknod /out/lib/zero c 1 5
FROM make AS more
RUN echo more >/out/more
COPY --from=make /named /out/again
FROM minimal
COPY --from=make --chown=user --chmod=750 /out/word /named /srv/
COPY --from=0 out/lib/*.so /lib/extra/
COPY --from=more /out /all
COPY --from=minimal /etc/debian_version /version
`;

it("a Dockerfile copies from its stages and from images: links below stay links, and the same build needs no machine again", async () => {
  const context = join(scene.home, "copying");
  mkdirSync(join(context, "files"), { recursive: true });
  writeFileSync(join(context, "files", "word"), "word");
  const from = async (name: string, text: string) => {
    writeFileSync(join(context, "Dockerfile"), text);
    return await build(name, { dockerfile: { context }, ...size });
  };
  const first = await from("copied", copying);
  expect(first.error).toBeUndefined();
  // Once for all that copy from it, and once as what the stage that goes on with it begins with.
  const log = readFileSync(join(scene.home, "logs", "image-copied.log"), "utf8");
  expect(log.match(/^# RUN mkdir -p \/out\/lib/gm)).toHaveLength(2);
  const sandbox = await scene.sandbox({ image: "copied" });
  const looked =
    "cd /; stat -c '%U %a %F' srv/word srv/named all/link all/more; ls lib/extra; cat version | wc -l; ls /out";
  expect(await text(sandbox, `${looked} 2>&1 || true`)).toBe(
    [
      ...["user 750 regular file", "user 750 regular file", "root 777 symbolic link", "root 644 regular file"],
      ...["a.so", "b c.so", "1", "ls: cannot access '/out': No such file or directory"],
    ].join("\n"),
  );
  expect((await from("copied", copying)).cache).toEqual({ hit: true, reason: null });
  const changed = await from("copied", copying.replace("echo more", "echo other"));
  expect(changed.cache).toEqual({ hit: false, reason: expect.stringContaining("COPY --from=more /out /all") });
  const missing = await from("missing", "FROM minimal AS a\nFROM minimal\nCOPY --from=a /none* /x\n");
  expect(missing.error).toMatchObject({ name: "BuildError", message: expect.stringContaining("there is no /none*") });
  const nobody = await from("nobody", "FROM minimal\nCOPY --from=nobody /x /y\n");
  expect(nobody.error).toMatchObject({ name: "InvalidArgumentError", message: expect.stringContaining("line 2") });
  expect(temporary()).toEqual([]);
}, 300_000);
