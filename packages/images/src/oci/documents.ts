import { createHash } from "node:crypto";
import { imageError } from "../errors.js";
import { digestPattern } from "../manifest.js";
import { type MergeLimits, maxDocumentBytes } from "./limits.js";

/** Names content by its digest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** The configuration of an image: of its many fields those that mean something here. */
export interface ImageDocument {
  readonly diffIds: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly entrypoint: readonly string[] | null;
  readonly command: readonly string[] | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
}

type Json = Record<string, unknown>;

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** @throws {AssetChecksumError} */
export function requireDigest(bytes: Uint8Array, digest: string, what: string): void {
  const actual = digestOf(bytes);
  if (actual !== digest) throw mismatch(what, digest, actual);
}

export function mismatch(what: string, wanted: string, actual: string): Error {
  return imageError("checksum", `Cannot use ${what}: its digest is ${actual}, not ${wanted}`, {
    hint: "What came is not what was asked for; nothing of it was used",
  });
}

/** Whether a document is a list of manifests, one a platform. */
export function isIndex(document: Json): boolean {
  return Array.isArray(document["manifests"]);
}

/** The manifest of an index for the platform of every guest. @throws {AssetNotFoundError} there is none */
export function forGuest(index: Json, what: string): Descriptor {
  const manifests = list(index["manifests"], what).map((item) => object(item, what));
  const found = manifests.find((item) => {
    const platform = object(item["platform"] ?? {}, what);
    return platform["os"] === "linux" && platform["architecture"] === "amd64";
  });
  // A layout with one image need not say its platform; the configuration says it then.
  const only = manifests.length === 1 && manifests[0]?.["platform"] === undefined ? manifests[0] : undefined;
  const chosen = found ?? only;
  if (chosen !== undefined) return descriptor(chosen, what);
  const there = manifests.map(({ platform }) => {
    const { os, architecture } = object(platform ?? {}, what);
    return `${String(os)}/${String(architecture)}`;
  });
  throw imageError("not_found", `Cannot use ${what}: it is for ${there.join(", ")}, not for linux/amd64`, {
    hint: "Use an image for linux/amd64",
  });
}

export function parseManifest(document: Json, what: string, limits: MergeLimits): Manifest {
  const layers = list(document["layers"], what).map((item) => descriptor(object(item, what), what));
  if (layers.length > limits.layers) throw broken(what, `it has more than ${limits.layers} layers`);
  return { config: descriptor(object(document["config"], what), what), layers };
}

/** @throws {AssetNotFoundError} it is for another platform */
export function parseConfig(bytes: Buffer, what: string): ImageDocument {
  const document = parseDocument(bytes, what);
  const platform = `${String(document["os"])}/${String(document["architecture"])}`;
  if (platform !== "linux/amd64") {
    throw imageError("not_found", `Cannot use ${what}: it is for ${platform}, not for linux/amd64`, {
      hint: "Use an image for linux/amd64",
    });
  }
  const config = object(document["config"] ?? {}, what);
  const strings = (value: unknown): string[] =>
    value == null ? [] : list(value, what).map((item) => text(item, what));
  const diffIds = strings(object(document["rootfs"], what)["diff_ids"]);
  if (!diffIds.every((id) => digestPattern.test(id))) throw broken(what, "a diff id of it is no sha256");
  return {
    diffIds,
    env: strings(config["Env"]),
    cwd: text(config["WorkingDir"] ?? "", what),
    user: text(config["User"] ?? "", what),
    entrypoint: config["Entrypoint"] == null ? null : strings(config["Entrypoint"]),
    command: config["Cmd"] == null ? null : strings(config["Cmd"]),
    labels: Object.fromEntries(
      Object.entries(object(config["Labels"] ?? {}, what)).map(([key, value]) => [key, text(value, what)]),
    ),
    ports: Object.keys(object(config["ExposedPorts"] ?? {}, what)),
  };
}

export function parseDocument(bytes: Buffer, what: string): Json {
  if (bytes.length > maxDocumentBytes) throw broken(what, `it has more than ${maxDocumentBytes} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw broken(what, "it is no JSON");
  }
  return object(value, what);
}

function descriptor(value: Json, what: string): Descriptor {
  const { mediaType = "", digest, size } = value;
  if (typeof digest !== "string" || !digestPattern.test(digest) || !Number.isSafeInteger(size) || Number(size) < 0) {
    throw broken(what, "it does not name its parts by sha256 and size");
  }
  return { mediaType: text(mediaType, what), digest, size: Number(size) };
}

export function object(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw broken(what, "a part of it has the wrong form");
}

export function list(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw broken(what, "a part of it has the wrong form");
}

export function text(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  throw broken(what, "a part of it has the wrong form");
}

export function broken(what: string, why: string): Error {
  return imageError("build", `Cannot use ${what}: ${why}`, { hint: "Make the image again" });
}
