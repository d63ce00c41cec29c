import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { pullImage, type PullOptions } from "../../src/oci/pull.js";
import { openImageStore } from "../../src/store.js";
import { LoopbackRegistry } from "./loopback-registry.js";
import { makeImage, sha256, tar } from "./make-image.js";

/** Large enough to be sent piece by piece: random bytes do not compress. */
const made = makeImage([tar([{ path: "big", body: randomBytes(200_000) }])]);
const layer = made.layers[0]!;
const layerPath = `blobs/${sha256(layer)}`;

let registry: LoopbackRegistry;
let home: string;

beforeEach(async () => {
  registry = await LoopbackRegistry.start();
  registry.keep(made);
  home = mkdtempSync(join(tmpdir(), "mvm-registry-faults-"));
});
afterEach(() => {
  registry.stop();
  // Whatever happens, a pull leaves no half-made image and no scratch file.
  expect(readdirSync(join(home, "tmp")).filter((name) => name.startsWith("build-"))).toEqual([]);
  rmSync(home, { recursive: true, force: true });
});

const pull = (options: Partial<PullOptions> = {}) =>
  pullImage({ home, place: `${registry.host}/team/tool:1.0`, ...options });
const askedFor = (path: string): string[] => registry.asked.filter((line) => line.split(" ")[0] === path);

/** Sends pieces until they are all gone or nobody listens. */
function drip(response: ServerResponse, bytes: Buffer, piece: number, everyMs: number): void {
  let at = 0;
  const timer = setInterval(() => {
    if (response.destroyed) return clearInterval(timer);
    response.write(bytes.subarray(at, (at += piece)));
    if (at < bytes.length) return;
    clearInterval(timer);
    response.end();
  }, everyMs);
}

it("a transfer may take longer than a registry has to answer, as long as it goes on", async () => {
  registry.fault = ({ url }, response, serve) =>
    url?.endsWith(layerPath) ? drip(response, layer, 40_000, 100) : serve();
  await pull({ answerMs: 250 });
  expect(askedFor(layerPath)).toEqual([layerPath]);
});

it("a registry that sends a byte now and then is given up, and what came of it is not lost", async () => {
  registry.fault = ({ url }, response, serve) => {
    if (url?.endsWith(layerPath) && askedFor(layerPath).length === 1) return drip(response, layer, 1, 20);
    serve();
  };
  await pull({ answerMs: 250 });
  const [first, again, ...more] = askedFor(layerPath);
  expect([first, more]).toEqual([layerPath, []]);
  // The tail alone was asked for.
  expect(registry.asked.find((line) => /^blobs\S+ bytes=[1-9]\d*-$/.test(line))).toBe(again);
});

it("a registry that never finishes a manifest, or never answers, is given up", async () => {
  registry.fault = ({ url }, response, serve) => {
    if (!url?.includes("/manifests/")) return serve();
    response.write("{");
    drip(response, Buffer.alloc(1_000_000, " "), 10, 20);
  };
  await expect(pull({ answerMs: 100 })).rejects.toMatchObject({ code: "ASSET_DOWNLOAD_FAILED" });
  expect(askedFor("manifests/1.0")).toHaveLength(5);
  registry.fault = () => undefined;
  await expect(pull({ answerMs: 100 })).rejects.toMatchObject({ code: "ASSET_DOWNLOAD_FAILED" });
});

it("a registry that is asked too often is asked again when it says, and not before", async () => {
  let open: boolean | undefined;
  registry.fault = (_request, response, serve) => {
    if (open === true) return serve();
    if (open === undefined) setTimeout(() => (open = true), 900);
    open = false;
    response.writeHead(429, { "retry-after": "1" }).end();
  };
  await pull();
  expect(askedFor("manifests/1.0")).toHaveLength(2);
});

it("a registry that wants an hour of patience is not waited for", async () => {
  registry.fault = (_request, response) => void response.writeHead(429, { "retry-after": "3600" }).end();
  await expect(pull()).rejects.toMatchObject({
    code: "ASSET_DOWNLOAD_FAILED",
    message: expect.stringContaining("HTTP 429, and wants to be asked again in 3600 s") as string,
  });
  expect(registry.asked).toHaveLength(1);
});

it("a registry that keeps failing ends a pull; the next one goes on where it broke", async () => {
  registry.fault = ({ url, headers }, response, serve) => {
    if (!url?.endsWith(layerPath)) return serve();
    if (headers.range !== undefined) return void response.writeHead(500).end();
    response.writeHead(200, { "content-length": layer.length });
    response.write(layer.subarray(0, 100_000), () => response.destroy());
  };
  await expect(pull()).rejects.toMatchObject({
    code: "ASSET_DOWNLOAD_FAILED",
    message: expect.stringContaining("HTTP 500") as string,
  });
  expect(askedFor(layerPath)).toHaveLength(5);
  expect(await openImageStore(home).list()).toEqual([]);
  registry.asked.length = 0;
  registry.fault = (_request, _response, serve) => serve();
  await pull();
  expect(registry.asked.filter((line) => line.startsWith(layerPath))).toEqual([
    expect.stringMatching(/ bytes=[1-9]\d*-$/),
  ]);
});

it("a line that breaks again and again brings a layer as long as it gets on", async () => {
  const long = makeImage([tar([{ path: "big", body: randomBytes(9_000_000) }])]);
  const bytes = long.layers[0]!;
  registry.keep(long);
  registry.fault = ({ url, headers }, response, serve) => {
    if (!url?.endsWith(sha256(bytes))) return serve();
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    const range = { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(from > 0 ? 206 : 200, { ...(from > 0 && range), "content-length": bytes.length - from });
    response.write(bytes.subarray(from, from + 1_300_000), () => response.destroy());
  };
  const { record } = await pull();
  expect(record.origin?.layers[0]?.digest).toBe(sha256(bytes));
  expect(registry.asked.filter((line) => line.includes(sha256(bytes))).length).toBeGreaterThan(5);
});

it("a layer that is longer or shorter than its manifest says is refused", async () => {
  const longer = Buffer.concat([layer, Buffer.alloc(70_000)]);
  registry.blobs.set(sha256(layer), longer);
  await expect(pull()).rejects.toMatchObject({ code: "ASSET_CHECKSUM_MISMATCH" });
  registry.blobs.set(sha256(layer), layer.subarray(0, 1_000));
  await expect(pull()).rejects.toMatchObject({ code: "ASSET_DOWNLOAD_FAILED" });
});

it("a manifest, and an answer with a token, of endless length are not read to their end", async () => {
  const endless = (response: ServerResponse): void => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, " ")));
    };
    response.on("drain", more);
    more();
  };
  registry.fault = ({ url }, response, serve) => (url?.includes("/manifests/") ? endless(response) : serve());
  await expect(pull()).rejects.toMatchObject({
    code: "BUILD_FAILED",
    message: expect.stringContaining("it has more than 4194304 bytes") as string,
  });
  registry.fault = ({ url }, response) => {
    if (url?.startsWith("/token") === true) return endless(response);
    response.writeHead(401, { "www-authenticate": `Bearer realm="http://${registry.host}/token"` }).end();
  };
  await expect(pull()).rejects.toMatchObject({ code: "ASSET_DOWNLOAD_FAILED" });
});
