import { imageError } from "../errors.js";

/** What a file of a release is for. Each is verified by its digest before it is used. */
export const assetKinds = [
  "agent",
  "initramfs",
  "kernel",
  "kernel_record",
  "kernel_module",
  "image",
  "image_record",
  "image_provenance",
] as const;
export type AssetKind = (typeof assetKinds)[number];

/** One file of a release. */
export interface ReleaseAsset {
  kind: AssetKind;
  /** File name within the release: one path component. */
  file: string;
  /** Bytes. */
  size: number;
  /** 64 hex digits. */
  sha256: string;
  /** `kernel_module`: the module's name. `image`, `image_record`, `image_provenance`: the name the image gets. */
  name?: string;
}

/** `release.json`: everything a host needs to start machines, except programs of its distribution. */
export interface ReleaseManifest {
  schema_version: 1;
  product: "mvm";
  /** Version of mvm that packed it. */
  version: string;
  /** RFC 3339, UTC. A host takes nothing older than what it has, unless told to. */
  created_at: string;
  architecture: "amd64";
  kernel_version: string;
  assets: ReleaseAsset[];
}

export const manifestFile = "release.json";
/** Larger is no manifest of ours: it is refused before it is read. */
export const maxManifestBytes = 1024 * 1024;
const maxAssets = 512;
const maxAssetBytes = 64 * 1024 ** 3;

const filePattern = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,159}$/;
const versionPattern = /^[A-Za-z0-9][A-Za-z0-9.+~-]{0,79}$/;
const namePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const modulePattern = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** How many of each kind a release has; any number where none is given. */
const exactly: Partial<Record<AssetKind, number>> = { agent: 1, initramfs: 1, kernel: 1, kernel_record: 1 };

/**
 * Reads a manifest whose signature holds. Names become file names of the host, so each is checked as strictly as if nobody
 * had signed it.
 * @throws {AssetChecksumError} it is not a manifest this version understands, or an asset has no usable digest
 */
export function parseManifest(bytes: Uint8Array): ReleaseManifest {
  const manifest = asObject(bytes);
  must(manifest["schema_version"] === 1, "its schema_version is not 1");
  must(manifest["product"] === "mvm", "it is not a release of mvm");
  must(manifest["architecture"] === "amd64", "it is for another architecture");
  must(matches(versionPattern, manifest["version"]), "its version is malformed");
  must(matches(versionPattern, manifest["kernel_version"]), "its kernel_version is malformed");
  must(isTime(manifest["created_at"]), "its created_at is not a time in UTC");
  const assets = manifest["assets"];
  must(Array.isArray(assets) && assets.length <= maxAssets, `its assets are not a list of at most ${maxAssets}`);
  const files = new Set<string>();
  for (const [at, asset] of (assets as unknown[]).entries()) {
    checkAsset(asset, `asset ${at}`);
    must(!files.has(asset.file), `${asset.file} is listed twice`);
    files.add(asset.file);
  }
  const checked = manifest as unknown as ReleaseManifest;
  for (const [kind, wanted] of Object.entries(exactly)) {
    const found = checked.assets.filter((asset) => asset.kind === kind).length;
    must(found === wanted, `it has ${found} of kind ${kind}, not ${wanted}`);
  }
  for (const image of checked.assets.filter(({ kind }) => kind === "image")) {
    const records = checked.assets.filter(({ kind, name }) => kind === "image_record" && name === image.name);
    must(records.length === 1, `image ${String(image.name)} has ${records.length} records, not 1`);
    const stated = checked.assets.filter(({ kind, name }) => kind === "image_provenance" && name === image.name);
    must(stated.length <= 1, `image ${String(image.name)} has ${stated.length} statements of its provenance`);
  }
  return checked;
}

function checkAsset(value: unknown, place: string): asserts value is ReleaseAsset {
  must(typeof value === "object" && value !== null, `${place} is not an object`);
  const { kind, file, size, sha256, name } = value as Record<string, unknown>;
  must(isKind(kind), `${place} is of an unknown kind`);
  must(matches(filePattern, file), `${place} has no usable file name`);
  must(
    Number.isSafeInteger(size) && (size as number) >= 0 && (size as number) <= maxAssetBytes,
    `${place} has no usable size`,
  );
  must(matches(/^[0-9a-f]{64}$/, sha256), `${place} has no sha256`);
  if (kind === "kernel_module") must(matches(modulePattern, name), `${place} has no usable name`);
  if (kind.startsWith("image")) must(matches(namePattern, name), `${place} has no usable name`);
}

function isKind(value: unknown): value is AssetKind {
  return assetKinds.some((known) => known === value);
}

function asObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below, the same as any other malformed manifest.
  }
  throw malformed("it is not a JSON object");
}

function isTime(value: unknown): boolean {
  return matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/, value) && !Number.isNaN(Date.parse(value));
}

function matches(pattern: RegExp, value: unknown): value is string {
  return typeof value === "string" && pattern.test(value);
}

function must(condition: boolean, reason: string): asserts condition {
  if (!condition) throw malformed(reason);
}

function malformed(reason: string): Error {
  return imageError("checksum", `Cannot use the release: ${reason}`, {
    hint: "Get the release again from whoever publishes it",
  });
}
