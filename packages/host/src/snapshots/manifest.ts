import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { SnapshotMismatchError } from "@mvm/protocol";
import { CompatibilitySchema, SnapshotPartSchema } from "@mvm/protocol/schemas";
import { writeFileAtomic } from "../store/atomic.js";
import { readPlainFile } from "../store/plain-file.js";
import { stableJson } from "../store/stable-json.js";
import { type StateFile, StateFileSchema } from "../store/state-file.js";
import type { Sealer } from "./seal.js";

const nullable = Type.Union([Type.String(), Type.Null()]);

/** What the next life of a captured sandbox is admitted by: the part of its state file that says what it is made of. */
const sourceFields = [
  "id",
  "name",
  "image",
  "backend",
  "require_hardware",
  "cpu",
  "memory_mb",
  "memory_limit_mb",
  "disk_mb",
  "profile",
  "workload_id",
  "tags",
  "tenant",
  "network",
  "secrets",
] as const satisfies readonly (keyof StateFile)[];
const SourceSchema = Type.Pick(StateFileSchema, [...sourceFields]);
export type Source = Static<typeof SourceSchema>;

/** Takes those fields of a state file. */
export function sourceOf(state: StateFile): Source {
  return Object.fromEntries(sourceFields.map((field) => [field, state[field]])) as unknown as Source;
}

/** `manifest.json` of a captured machine: what it is, what it fits, and the digest of every part. Holds no environment. */
export const ManifestSchema = Type.Object(
  {
    schema_version: Type.Literal(1),
    /** Id of the snapshot, or of the sandbox that is cold. */
    id: Type.String(),
    name: nullable,
    epoch: Type.Integer({ minimum: 1 }),
    created_at: Type.String(),
    frozen: Type.Boolean(),
    labels: Type.Array(Type.String()),
    memory_offset: Type.Integer({ minimum: 0 }),
    compatibility: CompatibilitySchema,
    parts: Type.Array(SnapshotPartSchema),
    source: SourceSchema,
    seal: Type.String(),
  },
  { additionalProperties: false },
);
export type Manifest = Static<typeof ManifestSchema>;
export type UnsealedManifest = Omit<Manifest, "seal">;

const fileName = "manifest.json";
/** Largest manifest that is read. Bytes. */
const maxBytes = 1024 * 1024;

/** Seals and writes it durably. Returns the digest by which the ledger knows it. */
export function writeManifest(directory: string, manifest: UnsealedManifest, sealer: Sealer): string {
  const text = stableJson(sealer.seal(manifest));
  writeFileAtomic(join(directory, fileName), text, { durable: true });
  return digestOf(text);
}

/**
 * Reads a manifest and believes it only when its seal is this state root's.
 * @param what how messages call it, such as `snapshot "s1"`
 * @throws {SnapshotMismatchError}
 */
export function readManifest(
  directory: string,
  sealer: Sealer,
  what: string,
): { manifest: Manifest; manifestSha256: string } {
  const bad = (why: string): SnapshotMismatchError =>
    new SnapshotMismatchError({ message: `Cannot use ${what}: ${why}` });
  let text: string;
  let value: unknown;
  try {
    text = readPlainFile(join(directory, fileName), maxBytes);
    value = JSON.parse(text);
  } catch {
    throw bad("its manifest is missing or cannot be read");
  }
  if (typeof value !== "object" || value === null || !sealer.check(value)) {
    throw bad("its manifest does not match its seal");
  }
  if (!Value.Check(ManifestSchema, value)) throw bad("its manifest has not the form this version reads");
  return { manifest: value, manifestSha256: digestOf(text) };
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
