import type { ImageSignature } from "./cosign/trust.js";
import { imageError } from "./errors.js";
import type { ImageConfig } from "./image-config.js";

export interface PackageRecord {
  name: string;
  version: string;
  arch: string;
  /** Who installed it. Absent: dpkg. */
  manager?: "pip" | "npm" | "nix";
}

/** What is known about one image: `images/<sha256>.json`, beside `images/<sha256>.erofs`. */
export interface ImageRecord {
  schema_version: 1;
  name: string;
  /** `sha256:` and 64 hex digits over the bytes of the image file. */
  digest: string;
  /** Bytes. */
  size: number;
  /** RFC 3339, UTC. */
  created_at: string;
  suite: string;
  architecture: "amd64";
  packages: PackageRecord[];
  /** Where the packages came from; addresses carry no credentials. */
  sources: { uri: string; suite: string; component: string }[];
  /** How its programs want to be run. Absent: nothing special. */
  config?: ImageConfig;
  /** How it was built inside a machine. Absent: from the catalogue or from elsewhere. */
  build?: BuildRecord;
  /** Where it was pulled from. Absent: made on this host. */
  origin?: OriginRecord;
}

/** What an image from elsewhere was when it was pulled. */
export interface OriginRecord {
  /** Registry, repository and tag, or kind and file name of an archive. */
  reference: string;
  /** Of the index, manifest, configuration or tar that was asked for. */
  digest: string;
  /** For linux/amd64; null where there is none. */
  manifest_digest: string | null;
  config_digest: string | null;
  /** As they came, and without compression. Sizes in bytes. */
  layers: { digest: string; diff_id: string; size: number }[];
  devices_dropped: number;
  xattrs_dropped: number;
  /** Files with setuid or setgid bits, and with file capabilities. */
  setuid: number;
  capabilities: number;
  /** Whose signature was asked for when it was pulled. Absent: nobody's. */
  signature?: ImageSignature;
}

/** What a build inside a machine was made of. */
export interface BuildRecord {
  /** Digest of the image it started from. */
  base: string;
  /** Digests of the images that something was copied from, or that stages started from which were. Absent: none. */
  sources?: string[];
  /** Hex sha256 of the recipe. */
  recipe: string;
  /** Each step as it was written, and the hex sha256 of what decides over it. */
  steps: { text: string; sha256: string }[];
}

/** `images/refs/<name>.json`: which digest a name stands for now. */
export interface RefRecord {
  schema_version: 1;
  name: string;
  digest: string;
}

/** Names are one lower-case path component: they become file names. */
export const imageNamePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;
export const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** The hex part of a digest, which names the files. */
export function digestHex(digest: string): string {
  return digest.slice("sha256:".length);
}

/** Reads `dpkg-query` output of three tab-separated columns, sorted by name. */
export function parsePackages(text: string): PackageRecord[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", version = "", arch = ""] = line.split("\t");
      return { name, version, arch };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Throws `AssetChecksumError` for a record that is not whole: a damaged record is a damaged image. */
export function parseImageRecord(text: string, digest: string): ImageRecord {
  const value = parseObject(text);
  if (
    value?.["schema_version"] !== 1 ||
    value["digest"] !== digest ||
    typeof value["name"] !== "string" ||
    typeof value["size"] !== "number" ||
    typeof value["created_at"] !== "string" ||
    typeof value["suite"] !== "string" ||
    !Array.isArray(value["packages"]) ||
    !Array.isArray(value["sources"])
  ) {
    throw imageError("checksum", `Cannot use image ${digest}: its record is damaged`, { hint: rebuildHint });
  }
  return value as unknown as ImageRecord;
}

export function parseRefRecord(text: string, name: string): RefRecord {
  const value = parseObject(text);
  const digest = value?.["digest"];
  if (value?.["name"] !== name || typeof digest !== "string" || !digestPattern.test(digest)) {
    throw imageError("checksum", `Cannot use image "${name}": its reference is damaged`, { hint: rebuildHint });
  }
  return { schema_version: 1, name, digest };
}

export const rebuildHint = "Build it again with `mvmctl image build NAME`";

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
