import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { AssetChecksumError, AssetDownloadError, AssetNotFoundError, InvalidArgumentError } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { ensureBootAssets } from "../../src/boot-assets.js";
import { signMinisign } from "../../src/release/minisign.js";
import {
  installRelease,
  openSource,
  releasedAgent,
  idleParts,
  trustOfKey,
  verifyRelease,
  type ReleaseTrust,
} from "../../src/release/index.js";
import { openImageStore } from "../../src/store.js";
import { temporaryHome } from "../temporary-home.js";
import { imageBytes, packed, serve, sha256, type Packed } from "./fixture.js";

async function install(place: string, trust: ReleaseTrust, home: string, allowOlder = false) {
  return installRelease({ home, source: await openSource(place), trust, allowOlder });
}

/** Signs what the test made of the manifest: a publisher who is hostile or mistaken. */
function signAgain({ folder, privateKey }: Packed, change: (manifest: Record<string, unknown>) => void): void {
  const manifest = JSON.parse(readFileSync(join(folder, "release.json"), "utf8")) as Record<string, unknown>;
  change(manifest);
  const bytes = Buffer.from(JSON.stringify(manifest));
  writeFileSync(join(folder, "release.json"), bytes);
  writeFileSync(join(folder, "release.json.minisig"), signMinisign(bytes, privateKey, "again").text);
}

/** No half of a release stands under a name that anything uses. */
function nothingInstalled(home: string): void {
  for (const folder of ["images", "images/refs", "kernels", "agents"]) {
    const names = readdirSync(join(home, folder), { withFileTypes: true }).filter((entry) => entry.isFile());
    expect(names.map(({ name }) => name)).toEqual([]);
  }
  expect(readdirSync(home)).not.toContain("release.json");
}

test.each(["folder", "server"])("a host is set up from a %s: kernel, agent and image, each whole", async (kind) => {
  const release = await packed();
  const home = await temporaryHome();
  const place = kind === "folder" ? release.folder : (await serve(release.folder)).url;
  await install(place, release.trust, home);
  const { path } = await openImageStore(home).verify("tiny");
  expect(readFileSync(path).equals(imageBytes)).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o444);
  expect((await openImageStore(home).provenance(`sha256:${sha256(imageBytes)}`))?.toString()).toBe("a statement");
  const agent = await releasedAgent(home);
  expect(readFileSync(agent!, "utf8")).toBe("the agent");
  // No network is named here: kernel and agent are enough.
  const { record } = await ensureBootAssets({ home, agentPath: agent! });
  expect(record.initramfs_sha256).toBe(release.manifest.assets.find(({ kind }) => kind === "initramfs")?.sha256);
  expect(readdirSync(join(home, "tmp", "downloads"))).toEqual([]);
  // Once more changes nothing and is no error.
  await install(place, release.trust, home);
});

test("a transfer that breaks goes on where it broke", async () => {
  const release = await packed();
  const home = await temporaryHome();
  let cuts = 0;
  const { url, requests } = await serve(release.folder, (_request, response, file) => {
    if (file !== "image-tiny.erofs" || cuts++ >= 2) return false;
    response.writeHead(200, { "content-length": imageBytes.length });
    response.write(imageBytes.subarray(0, 1 << 20), () => response.destroy());
    return true;
  });
  await install(url, release.trust, home);
  const ranges = requests.filter((request) => request.startsWith("image-tiny.erofs"));
  expect(ranges[0]).toBe("image-tiny.erofs");
  expect(Number(/bytes=(\d+)-/.exec(ranges.at(-1) ?? "")?.[1])).toBeGreaterThan(0);
  await openImageStore(home).verify("tiny");
});

test("a later process goes on with what a killed one brought", async () => {
  const release = await packed();
  const home = await temporaryHome();
  const parts = join(home, "tmp", "downloads");
  mkdirSync(parts, { recursive: true });
  writeFileSync(join(parts, `${sha256(imageBytes)}.999999-1`), imageBytes.subarray(0, 1 << 20));
  const { url, requests } = await serve(release.folder);
  await install(url, release.trust, home);
  expect(requests).toContain(`image-tiny.erofs bytes=${1 << 20}-`);
});

test("a server without ranges sends all of it again", async () => {
  const release = await packed();
  const home = await temporaryHome();
  let cut = false;
  const { url } = await serve(release.folder, (request, response, file) => {
    delete request.headers.range;
    if (file !== "image-tiny.erofs" || cut) return false;
    cut = true;
    response.writeHead(200, { "content-length": imageBytes.length });
    response.write(imageBytes.subarray(0, 1000), () => response.destroy());
    return true;
  });
  await install(url, release.trust, home);
  await openImageStore(home).verify("tiny");
});

test("a file that is missing, a server that fails and one that nobody answers at are told apart", async () => {
  const release = await packed();
  const home = await temporaryHome();
  await rm(join(release.folder, "vmlinuz"));
  await expect(install(release.folder, release.trust, home)).rejects.toThrow(AssetNotFoundError);
  const { url } = await serve(release.folder);
  await expect(install(url, release.trust, home)).rejects.toThrow(/Cannot find vmlinuz .*404/);
  let tries = 0;
  const failing = await serve(release.folder, (_request, response) => {
    tries++;
    response.writeHead(503).end();
    return true;
  });
  await expect(install(failing.url, release.trust, home)).rejects.toThrow(AssetDownloadError);
  expect(tries).toBe(5);
  await expect(install("http://127.0.0.1:1/", release.trust, home)).rejects.toThrow(AssetDownloadError);
  await expect(openSource("ftp://127.0.0.1/")).rejects.toThrow(InvalidArgumentError);
  await expect(openSource(join(home, "nowhere"))).rejects.toThrow(AssetNotFoundError);
  nothingInstalled(home);
});

test.each([
  ["a flipped byte of the image", (folder: string) => flip(join(folder, "image-tiny.erofs"))],
  ["a flipped byte of the agent", (folder: string) => flip(join(folder, "mvm-agent"))],
  ["a longer kernel", (folder: string) => writeFileSync(join(folder, "vmlinuz"), "kernel and more")],
  ["a flipped byte of the manifest", (folder: string) => flip(join(folder, "release.json"))],
])("%s is refused before anything is used", async (_what, change) => {
  const release = await packed();
  const home = await temporaryHome();
  change(release.folder);
  await expect(install(release.folder, release.trust, home)).rejects.toThrow(AssetChecksumError);
  await expect(verifyRelease({ place: release.folder, trust: release.trust })).rejects.toThrow(AssetChecksumError);
  if (readdirSync(home).includes("images")) nothingInstalled(home);
});

test("a cut file of a folder is no release", async () => {
  const release = await packed();
  truncateSync(join(release.folder, "image-tiny.erofs"), 10);
  await expect(install(release.folder, release.trust, await temporaryHome())).rejects.toThrow(/ended after 10 of/);
});

test("a release that nobody signed, or somebody else, is refused", async () => {
  const release = await packed();
  const home = await temporaryHome();
  const { publicKey } = generateKeyPairSync("ed25519");
  const stranger = trustOfKey(publicKey.export({ format: "pem", type: "spki" }).toString());
  await expect(install(release.folder, stranger, home)).rejects.toThrow(/signed by key/);
  await rm(join(release.folder, "release.json.minisig"));
  await expect(install(release.folder, release.trust, home)).rejects.toThrow(AssetNotFoundError);
  expect(() => trustOfKey("not a key")).toThrow(InvalidArgumentError);
  expect(() => trustOfKey(release.privateKey)).toThrow(InvalidArgumentError);
});

test("what cosign signs with a key is verified the same", async () => {
  const release = await packed();
  const key = join(release.home, "cosign.pem");
  const openssl = (...args: string[]): Buffer => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "ignore"] });
  openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key);
  const trust = trustOfKey(openssl("ec", "-in", key, "-pubout").toString());
  expect(trust.kind).toBe("cosign");
  const manifest = join(release.folder, "release.json");
  const signature = openssl("dgst", "-sha256", "-sign", key, manifest);
  writeFileSync(join(release.folder, "release.json.sig"), signature.toString("base64"));
  await install(release.folder, trust, await temporaryHome());
  writeFileSync(manifest, `${await readFile(manifest, "utf8")} `);
  await expect(install(release.folder, trust, await temporaryHome())).rejects.toThrow(AssetChecksumError);
});

test("an older release is taken only when that is said", async () => {
  const older = await packed("1.0.0");
  const newer = await packed("1.1.0");
  const home = await temporaryHome();
  await install(newer.folder, newer.trust, home);
  await expect(install(older.folder, older.trust, home)).rejects.toThrow(/this state root has 1\.1\.0/);
  await install(older.folder, older.trust, home, true);
});

test.each([
  ["an asset without a digest", /has no sha256/, (m: Loose) => delete m.assets[0]!["sha256"]],
  ["a file name that leaves the folder", /no usable file name/, (m: Loose) => (m.assets[0]!["file"] = "../agent")],
  [
    "a module name that leaves its folder",
    /no usable name/,
    (m: Loose) => (byKind(m, "kernel_module")["name"] = "../x"),
  ],
  ["a kernel version that leaves its folder", /kernel_version/, (m: Loose) => (m["kernel_version"] = "../6.1.0")],
  ["two agents", /2 of kind agent/, (m: Loose) => m.assets.push({ ...byKind(m, "agent"), file: "second" })],
  [
    "an image without its record",
    /0 records/,
    (m: Loose) => (m.assets = m.assets.filter(({ kind }) => kind !== "image_record")),
  ],
  [
    "an initramfs of something else",
    /not made of its agent/,
    (m: Loose) => Object.assign(byKind(m, "initramfs"), { file: "vmlinuz-2", ...only(m, "kernel") }),
  ],
  ["another product", /not a release of mvm/, (m: Loose) => (m["product"] = "other")],
])("a signed manifest with %s is refused", async (_what, reason, change) => {
  const release = await packed();
  await cp(join(release.folder, "vmlinuz"), join(release.folder, "vmlinuz-2"));
  signAgain(release, (manifest) => void change(manifest as Loose));
  const home = await temporaryHome();
  const refused = await install(release.folder, release.trust, home).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(AssetChecksumError);
  expect((refused as Error).message).toMatch(reason);
});

test("parts that nobody is at work on are told, one in use is not", async () => {
  const home = await temporaryHome();
  const parts = join(home, "tmp", "downloads");
  mkdirSync(parts, { recursive: true });
  const stat = readFileSync(`/proc/${process.pid}/stat`, "utf8");
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!;
  writeFileSync(join(parts, `aa.${process.pid}-${started}`), "used");
  writeFileSync(join(parts, "bb.free"), "left");
  expect(await idleParts(home)).toEqual([join(parts, "bb.free")]);
});

type Loose = Record<string, unknown> & { assets: Record<string, unknown>[] };

function byKind(manifest: Loose, kind: string): Record<string, unknown> {
  return manifest.assets.find((asset) => asset["kind"] === kind)!;
}

function only(manifest: Loose, kind: string) {
  const { size, sha256 } = byKind(manifest, kind);
  return { size, sha256 };
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(path, bytes);
}
