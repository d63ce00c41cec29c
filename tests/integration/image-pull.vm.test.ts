import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cli, document } from "../support/cli.js";
import { type DockerRegistry, login, ociManifest, startDockerRegistry } from "../support/docker-registry.js";
import { makeHome, privateDirectory } from "../support/home.js";
import { cosignKey, signedWithKey, simpleSignatures } from "../../packages/images/test/cosign/sign-image.js";

const made = makeHome();
const directory = mkdtempSync(join(tmpdir(), "mvm-image-pull-"));
let registry: DockerRegistry;

beforeAll(async () => {
  registry = await startDockerRegistry({ locked: true });
});
afterAll(async () => {
  await registry.stop();
  made.remove();
  rmSync(directory, { recursive: true, force: true });
});

const mvmctl = (...args: string[]) => cli(args, { home: made.home });

/** A root with these programs of Debian and the libraries they load, and nothing else: no shell unless it is one of them. */
function makeRoot(name: string, programs: Record<string, string>): Buffer {
  const root = join(directory, name);
  const place = (from: string, to: string): void => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(realpathSync(from), join(root, to));
  };
  for (const [to, from] of Object.entries(programs)) {
    place(from, to);
    for (const library of execFileSync("ldd", [from], { encoding: "utf8" }).match(/\/\S+/g) ?? [])
      place(library, library);
  }
  const path = join(directory, `${name}.tar`);
  execFileSync("tar", ["--numeric-owner", "--owner=0", "--group=0", "-C", root, "-cf", path, "."]);
  return execFileSync("cat", [path], { maxBuffer: 2 ** 28 });
}

const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: sha256(bytes), size: bytes.length });

it("an image pulled by digest from a registry, signed as the operator wants it, runs as its configuration says", async () => {
  const layer = makeRoot("shell", {
    "/bin/sh": "/bin/dash",
    "/opt/tools/show": "/usr/bin/env",
    "/bin/id": "/usr/bin/id",
  });
  const diffId = sha256(layer);
  const config = {
    ...{ Env: ["PATH=/opt/tools:/bin", "GREETING=hello"], WorkingDir: "/opt/tools", User: "4242:7" },
    ...{ Entrypoint: ["sh", "-c"], Cmd: ['echo "itself: $GREETING $PWD"'] },
  };
  const bytes = {
    config: Buffer.from(
      JSON.stringify({ os: "linux", architecture: "amd64", config, rootfs: { type: "layers", diff_ids: [diffId] } }),
    ),
    layers: [gzipSync(layer)],
  };
  const manifest = {
    ...{ schemaVersion: 2, mediaType: ociManifest },
    config: describe("application/vnd.oci.image.config.v1+json", bytes.config),
    layers: bytes.layers.map((of) => describe("application/vnd.oci.image.layer.v1.tar+gzip", of)),
  };
  const image = { ...bytes, manifest: Buffer.from(JSON.stringify(manifest)) };
  const digest = await registry.push("team/shell", "1.0", image);
  const place = `${registry.host}/team/shell@${digest}`;

  const [host = ""] = registry.host.split(":");
  expect((await mvmctl("image", "pull", place)).code).toBe(69);
  for (const [name, value, bound] of [
    ["elsewhere", login, "registry.example.com"],
    ["wrong", "ann:guessed", host],
    ["right", login, host],
  ] as const) {
    const put = await cli(["secret", "put", name, "--host", bound], { home: made.home, stdin: value });
    expect(put.code, put.stderr).toBe(0);
  }
  const unbound = await mvmctl("image", "pull", place, "--credentials", "elsewhere");
  expect([unbound.code, unbound.stderr]).toEqual([64, expect.stringContaining(`it is not bound to ${host}`)]);
  const refused = await mvmctl("image", "pull", place, "--credentials", "wrong");
  expect([refused.code, refused.stderr]).toEqual([69, expect.stringContaining("the registry refuses access")]);
  const key = cosignKey();
  const policy = privateDirectory(join(made.home, "policy"));
  const pem = join(policy, "team.pub");
  writeFileSync(pem, key.pem, { mode: 0o600 });
  const rules = { require_digest: true, trust: [{ match: `${host}/team/*`, cosign: { keys: [pem] } }] };
  writeFileSync(join(policy, "registries.json"), JSON.stringify(rules), { mode: 0o600 });
  const unsigned = await mvmctl("image", "pull", place, "--credentials", "right");
  expect([unsigned.code, unsigned.stderr]).toEqual([65, expect.stringContaining("it is not signed")]);
  const tag = `${digest.replace(":", "-")}.sig`;
  await registry.push("team/shell", tag, simpleSignatures(signedWithKey(key.secret, digest)));
  const pulled = await mvmctl("--json", "image", "pull", place, "--credentials", "right");
  expect(pulled.code, pulled.stderr.toString()).toBe(0);
  expect(document(pulled)).toMatchObject({ name: "shell", origin: { digest, layers: [{ diff_id: diffId }] } });

  const inspected = await mvmctl("image", "inspect", "shell");
  expect(inspected.stdout.toString()).toContain(key.trusted.id);

  const ran = await mvmctl("run", "--image", place, "--", "sh", "-c", 'echo "$GREETING $PWD $(id -u):$(id -g)"; show');
  expect(ran.stdout.toString(), ran.stderr.toString()).toContain("hello /opt/tools 4242:7\n");
  expect(ran.stdout.toString()).toContain("PATH=/opt/tools:/bin\n");
  const itself = await mvmctl("run", "--image", "shell");
  expect(itself.stdout.toString(), itself.stderr.toString()).toBe("itself: hello /opt/tools\n");
  const own = await mvmctl(
    "run",
    "--image",
    "shell",
    "--profile",
    "standard",
    "--env",
    "GREETING=mine",
    "--user",
    "root",
    "--cwd",
    "/",
    "--",
    "sh",
    "-c",
    'echo "$GREETING $PWD $(id -u)"',
  );
  expect(own.stdout.toString(), own.stderr.toString()).toBe("mine / 0\n");

  const listed = await mvmctl("image", "ls");
  expect(listed.stdout.toString()).toContain(`${registry.host}/team/shell`);
  const zeros = `${registry.host}/team/shell@sha256:${"0".repeat(64)}`;
  expect((await mvmctl("image", "pull", zeros, "--credentials", "right")).code).toBe(69);
});

it("a root file system without a shell, from a tar, runs its one program", async () => {
  writeFileSync(join(directory, "bare.tgz"), gzipSync(makeRoot("bare", { "/app/cat": "/usr/bin/cat" })));
  const pulled = await mvmctl("image", "pull", `rootfs:${join(directory, "bare.tgz")}`, "--tag", "bare");
  expect(pulled.code, pulled.stderr.toString()).toBe(0);
  const ran = await mvmctl("run", "--image", "bare", "--", "/app/cat", "/etc/passwd");
  expect([ran.code, ran.stdout.toString().split("\n")[1]], ran.stderr.toString()).toEqual([
    0,
    "user:x:1000:1000:user:/home/user:/bin/sh",
  ]);
  const gone = await mvmctl("image", "rm", "bare");
  expect(gone.code, gone.stderr.toString()).toBe(0);
  expect((await mvmctl("run", "--image", "bare", "--", "/app/cat")).code).toBe(69);
});
