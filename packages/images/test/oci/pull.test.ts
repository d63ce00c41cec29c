import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { pullImage, type PullOptions } from "../../src/oci/pull.js";
import { openImageStore } from "../../src/store.js";
import { makeImage, type MadeImage, sha256, tar, zstdStored } from "./make-image.js";

const base = tar([
  { path: "bin/", type: "5", mode: 0o755 },
  { path: "bin/tool", body: "first", mode: 0o755 },
  { path: "etc/passwd", body: "root:x:0:0::/root:/bin/sh" },
  {
    path: "big",
    body: Buffer.alloc(
      400_000,
      Uint8Array.from({ length: 4093 }, (_, at) => (at * at) & 255),
    ),
  },
]);
const top = tar([{ path: "bin/.wh.tool" }, { path: "bin/new", body: "second", mode: 0o755 }]);
const config = { Env: ["PATH=/bin", "MODE=x=y"], WorkingDir: "/etc", User: "12:34", Entrypoint: ["/bin/new"] };
const made = makeImage([base, top], config);

type Handler = (request: IncomingMessage, response: ServerResponse, serve: () => void) => void;
let server: Server;
let registry: string;
let home: string;
let asked: string[];
/** What the registry does differently in a test. */
let fault: Handler;
let image: MadeImage;
let manifests: Map<string, Buffer>;

/** A registry that speaks the protocol, ranges included, until a test makes it do wrong. */
beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.url ?? ""} ${request.headers.range ?? ""}`.trim());
    fault(request, response, () => serve(request, response));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  registry = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

function serve({ url = "", headers }: IncomingMessage, response: ServerResponse): void {
  const [, kind, name = ""] = /^\/v2\/team\/tool\/(manifests|blobs)\/(.+)$/.exec(url) ?? [];
  const bytes = kind === "manifests" ? manifests.get(name) : image.blobs.get(name);
  if (bytes === undefined) return void response.writeHead(404).end();
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
  if (from > 0) response.writeHead(206, { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
  response.end(bytes.subarray(from));
}

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mvm-pull-"));
  asked = [];
  fault = (_request, _response, go) => go();
  image = made;
  manifests = new Map([
    ["1.0", made.manifest],
    [made.manifestDigest, made.manifest],
  ]);
});
afterEach(() => {
  // Whatever happens, a pull leaves no half-made image and no scratch file.
  expect(readdirSync(join(home, "tmp")).filter((name) => name.startsWith("build-"))).toEqual([]);
  rmSync(home, { recursive: true, force: true });
});

const pull = (options: Partial<PullOptions> = {}) =>
  pullImage({ home, place: `${registry}/team/tool:1.0`, ...options });

function contentOf(path: string): Record<string, string> {
  const out = join(home, "out");
  execFileSync("fsck.erofs", [`--extract=${out}`, path], { stdio: "pipe" });
  const read = (name: string): string => readFileSync(join(out, name), "utf8");
  return {
    bin: readdirSync(join(out, "bin")).join(),
    passwd: read("etc/passwd"),
    config: read("usr/lib/mvm/image.json"),
  };
}

it("a tag becomes digests, the record says which, and the image holds what its layers make", async () => {
  const phases: string[] = [];
  const { record, path } = await pull({ onProgress: ({ phase }) => void phases.push(phase) });
  expect(record).toMatchObject({
    name: "tool",
    config: { env: { PATH: "/bin", MODE: "x=y" }, cwd: "/etc", user: "12:34", entrypoint: ["/bin/new"] },
    origin: {
      reference: `${registry}/team/tool:1.0`,
      digest: made.manifestDigest,
      manifest_digest: made.manifestDigest,
      config_digest: sha256(made.config),
      layers: made.layers.map((layer, at) => ({
        digest: sha256(layer),
        diff_id: sha256([base, top][at]!),
        size: layer.length,
      })),
    },
  });
  const { bin, passwd, config: kept } = contentOf(path);
  expect(bin).toBe("new");
  expect(passwd).toContain("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000:");
  expect(JSON.parse(kept!)).toEqual(record.config);
  expect([...new Set(phases)]).toEqual(["resolve", "layer", "pack", "check", "done"]);
  const again = await pull({ name: "other", digest: made.manifestDigest });
  expect(again.record.digest).toBe(record.digest);
  const store = openImageStore(home);
  for (const ref of ["tool", `${registry}/team/tool:1.0`, `${registry}/team/tool@${made.manifestDigest}`]) {
    expect((await store.verify(ref)).record.digest, ref).toBe(record.digest);
  }
});

it("layers that are here already are not fetched again, unless the image they became is damaged", async () => {
  const first = await pull();
  asked = [];
  manifests.set("2.0", made.manifest);
  const again = await pull({ place: `${registry}/team/tool:2.0`, name: "again" });
  expect(again.record).toMatchObject({ name: "again", digest: first.record.digest });
  expect(again.record.origin).toEqual({ ...first.record.origin, reference: `${registry}/team/tool:2.0` });
  expect(asked).toEqual(["/v2/team/tool/manifests/2.0", `/v2/team/tool/blobs/${sha256(made.config)}`]);
  expect((await openImageStore(home).verify("again")).record).toEqual(again.record);

  chmodSync(first.path, 0o644);
  writeFileSync(first.path, "damaged");
  expect((await pull()).record.digest).toBe(first.record.digest);
  expect(asked).toContain(`/v2/team/tool/blobs/${sha256(made.layers[0]!)}`);
});

it("an index gives the image for linux/amd64, by its digest; one without it is refused", async () => {
  const other = makeImage([base], {}, "arm64");
  const entry = (of: MadeImage, architecture: string) => ({
    ...{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest: of.manifestDigest, size: of.manifest.length },
    platform: { os: "linux", architecture },
  });
  const index = (...entries: object[]): Buffer => Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: entries }));
  const both = index(entry(other, "arm64"), entry(made, "amd64"));
  manifests.set("1.0", both);
  const { record } = await pull();
  expect(record.origin).toMatchObject({ digest: sha256(both), manifest_digest: made.manifestDigest });
  manifests.set("1.0", index(entry(other, "arm64")));
  await expect(pull()).rejects.toMatchObject({
    code: "ASSET_NOT_FOUND",
    message: expect.stringContaining("linux/arm64") as string,
  });
  manifests.set("1.0", other.manifest);
  image = other;
  await expect(pull()).rejects.toMatchObject({ code: "ASSET_NOT_FOUND" });
});

it("other bytes than a digest names are refused, wherever they are", async () => {
  const changed = Buffer.from(made.manifest);
  changed[changed.length - 2] = 0x20;
  const mismatch = { code: "ASSET_CHECKSUM_MISMATCH" };
  manifests.set(made.manifestDigest, changed);
  await expect(pull({ place: `${registry}/team/tool@${made.manifestDigest}` })).rejects.toMatchObject(mismatch);
  await expect(pull({ digest: sha256(base) })).rejects.toMatchObject({ code: "ASSET_NOT_FOUND" });
  for (const part of [made.config, ...made.layers]) {
    const wrong = Buffer.from(part);
    wrong[20]! ^= 1;
    image = { ...made, blobs: new Map(made.blobs).set(sha256(part), wrong) };
    await expect(pull()).rejects.toMatchObject(mismatch);
  }
  // A layer with the digest that the manifest names, but not with the one that the configuration names.
  const lying = makeImage([base, top], config);
  const liar = Buffer.from(
    lying.manifest
      .toString()
      .replace(sha256(lying.layers[1]!), sha256(lying.layers[0]!))
      .replace(`"size":${lying.layers[1]!.length}`, `"size":${lying.layers[0]!.length}`),
  );
  manifests.set("1.0", liar);
  image = lying;
  await expect(pull()).rejects.toMatchObject(mismatch);
  expect(await openImageStore(home).list()).toEqual([]);
});

it("a connection that dies is taken up where it broke, and a registry that fails for a while is asked again", async () => {
  let broken = 0;
  let turnedAway = 0;
  const [layer] = made.layers;
  fault = (request, response, go) => {
    if (request.url?.includes("/manifests/") && turnedAway++ === 0) return void response.writeHead(503).end();
    if (request.url?.endsWith(sha256(layer!)) && broken++ < 2 && request.headers.range === undefined) {
      response.writeHead(200, { "content-length": layer!.length });
      response.write(layer!.subarray(0, 1_000), () => response.destroy());
      return;
    }
    go();
  };
  await pull();
  expect(asked.some((line) => line.includes(sha256(layer!)) && /bytes=[1-9]/.test(line))).toBe(true);
});

it("a registry with tokens is asked for one to read this repository, with the secret's name and password", async () => {
  const scopes: string[] = [];
  fault = (request, response, go) => {
    const url = new URL(request.url ?? "", `http://${registry}`);
    if (url.pathname === "/token") {
      scopes.push(url.searchParams.get("scope") ?? "");
      const known = request.headers.authorization === `Basic ${Buffer.from("ann:pass:word").toString("base64")}`;
      return void response.writeHead(known ? 200 : 401).end(JSON.stringify({ token: "t0ken" }));
    }
    if (request.headers.authorization === "Bearer t0ken") return go();
    const challenge = `Bearer realm="http://${registry}/token",service="here"`;
    response.writeHead(401, { "www-authenticate": challenge }).end();
  };
  await pull({ credentials: { user: "ann", password: "pass:word" } });
  expect(scopes).toEqual(["repository:team/tool:pull"]);
  const refused = pull({ credentials: { user: "ann", password: "wrong word" } });
  await expect(refused).rejects.toMatchObject({
    code: "ASSET_DOWNLOAD_FAILED",
    message: expect.stringContaining("refuses access") as string,
  });
  await refused.catch((error: Error) => expect(JSON.stringify(error)).not.toContain("wrong word"));
});

it("archives of docker save, OCI layouts and root file systems give the same image", async () => {
  const folder = join(home, "layout");
  mkdirSync(join(folder, "blobs/sha256"), { recursive: true });
  for (const [digest, bytes] of made.blobs) writeFileSync(join(folder, "blobs/sha256", digest.slice(7)), bytes);
  const annotations = { "org.opencontainers.image.ref.name": "1.0" };
  const entry = { digest: made.manifestDigest, size: made.manifest.length, annotations };
  writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  execFileSync("tar", ["-C", folder, "-cf", join(home, "oci.tar"), "."]);
  const saved = tar([
    { path: "c.json", body: made.config },
    { path: "a/layer.tar", body: base },
    { path: "b/layer.tar", body: top },
    {
      path: "manifest.json",
      body: JSON.stringify([{ Config: "c.json", RepoTags: ["tool:1.0"], Layers: ["a/layer.tar", "b/layer.tar"] }]),
    },
  ]);
  writeFileSync(join(home, "saved.tar"), saved);
  const digests = new Set<string>([(await pull()).record.digest]);
  for (const place of [
    `oci:${folder}:1.0`,
    `oci-archive:${home}/oci.tar`,
    `docker-archive:${home}/saved.tar:tool:1.0`,
  ]) {
    digests.add((await pullImage({ home, place, name: "other" })).record.digest);
  }
  expect(digests.size).toBe(1);
  const tampered = join(folder, "blobs/sha256", sha256(made.layers[1]!).slice(7));
  writeFileSync(tampered, Buffer.concat([made.layers[1]!, Buffer.from("x")]));
  await expect(pullImage({ home, place: `oci:${folder}` })).rejects.toMatchObject({ code: "ASSET_CHECKSUM_MISMATCH" });
  await expect(pullImage({ home, place: `oci:${folder}:2.0` })).rejects.toMatchObject({ code: "ASSET_NOT_FOUND" });
  writeFileSync(join(home, "root.tar"), base);
  const root = await pullImage({ home, place: `rootfs:${home}/root.tar`, digest: sha256(base) });
  expect(root.record).toMatchObject({ name: "root", origin: { digest: sha256(base) } });
  await expect(pullImage({ home, place: `rootfs:${home}/root.tar`, digest: sha256(top) })).rejects.toMatchObject({
    code: "ASSET_CHECKSUM_MISMATCH",
  });
});

it("a root file system is taken from a folder as from a tar of it, and nothing outside of the folder", async () => {
  const outside = join(home, "outside");
  writeFileSync(outside, "not of the image");
  const root = join(home, "root");
  mkdirSync(join(root, "bin"), { recursive: true });
  writeFileSync(join(root, "bin/tool"), "program", { mode: 0o755 });
  writeFileSync(join(root, "big"), Buffer.alloc(300_000, "content "));
  symlinkSync(outside, join(root, "link"));
  symlinkSync(home, join(root, "up"));
  execFileSync("tar", ["--numeric-owner", "-C", root, "-czf", join(home, "packed.tgz"), "."]);
  const folder = await pullImage({ home, place: `rootfs:${root}` });
  const packed = await pullImage({ home, place: `rootfs:${home}/packed.tgz` });
  expect([folder.record.name, packed.record.name]).toEqual(["root", "packed"]);
  expect(folder.record.digest).toBe(packed.record.digest);
  expect(folder.record.origin).toMatchObject({ reference: "rootfs:root", manifest_digest: null, config_digest: null });
  const bytes = readFileSync(folder.path);
  expect([bytes.includes("program"), bytes.includes("not of the image")]).toEqual([true, false]);

  writeFileSync(join(root, "bin/tool"), "another", { mode: 0o755 });
  expect((await pullImage({ home, place: `rootfs:${root}` })).record.digest).not.toBe(packed.record.digest);
  await expect(pullImage({ home, place: `rootfs:${root}`, digest: sha256(base) })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("it has no digest") as string,
  });
  await expect(pullImage({ home, place: `rootfs:${home}/none` })).rejects.toMatchObject({ code: "ASSET_NOT_FOUND" });
});

it("layers compressed with zstd give the image that gzipped ones give, and damaged ones are told apart", async () => {
  const gzipped = await pull();
  image = makeImage([base, top], config, "amd64", zstdStored);
  manifests.set("1.0", image.manifest);
  expect((await pull({ name: "other" })).record.digest).toBe(gzipped.record.digest);
  image = makeImage([base], config, "amd64", (layer) => zstdStored(layer).subarray(0, -9));
  manifests.set("1.0", image.manifest);
  await expect(pull()).rejects.toMatchObject({
    code: "ASSET_CHECKSUM_MISMATCH",
    message: expect.stringContaining("it is cut short") as string,
  });
});

it("V-03: gigabytes of zeros in a small layer are refused before they fill the disk", async () => {
  image = makeImage([tar([{ path: "zeros", body: Buffer.alloc(50_000_000) }])]);
  manifests.set("1.0", image.manifest);
  const limits = { bytes: 1_000_000, entries: 100, layers: 2 };
  await expect(pull({ limits })).rejects.toMatchObject({
    code: "BUILD_FAILED",
    message: expect.stringContaining("decompressed") as string,
  });
});

it("a host that takes images by digest only refuses a tag before it asks anybody", async () => {
  await expect(pull({ requireDigest: true })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(asked).toEqual([]);
  mkdirSync(join(home, "tmp"), { recursive: true });
});
