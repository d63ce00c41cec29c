import { createHash } from "node:crypto";
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { SnapshotMismatchError } from "@mvm/protocol";
import { CompatibilitySchema, SnapshotPartSchema, TemplateFactsSchema } from "@mvm/protocol/schemas";
import { chunkBytes } from "../digest.js";
import { ManifestSchema } from "../manifest.js";

/** Entries of the archive before its chunks, in this order. */
export const contentsName = "contents.json";
export const signatureName = "signature.json";
/** Largest of these that is read. Bytes. */
export const contentsMaxBytes = 32 * 1024 * 1024;
export const signatureMaxBytes = 4096;

const strict = { additionalProperties: false } as const;
const { name, created_at, frozen, labels, memory_offset, source } = ManifestSchema.properties;

const parts = Type.Array(
  Type.Object(
    {
      ...SnapshotPartSchema.properties,
      /** Chunks that hold data, rising; the others are zeros. */
      chunks: Type.Array(Type.Integer({ minimum: 0 })),
    },
    strict,
  ),
  { maxItems: 16 },
);
export type ContentsPart = Static<typeof parts>[number];

/** What the archive of a snapshot holds and what it fits. Its digest names the archive. */
export const SnapshotContentsSchema = Type.Object(
  {
    archive_version: Type.Literal(1),
    compatibility: CompatibilitySchema,
    ...{ name, created_at, frozen, labels, memory_offset, source },
    parts,
  },
  strict,
);
export type SnapshotContents = Static<typeof SnapshotContentsSchema>;

/** What the archive of a template holds and what it fits. */
export const TemplateContentsSchema = Type.Object(
  { archive_version: Type.Literal(1), kind: Type.Literal("template"), template: TemplateFactsSchema, parts },
  strict,
);
export type TemplateContents = Static<typeof TemplateContentsSchema>;

export const SignatureSchema = Type.Object(
  {
    /** DER of the public key (SPKI), base64. */
    public_key: Type.String({ maxLength: 256 }),
    /** Ed25519 over a domain string and the bytes of `contents.json`, base64. */
    signature: Type.String({ maxLength: 256 }),
  },
  strict,
);

/** The part's chunk as it is called in the archive. */
export function chunkName(part: string, index: number): string {
  return `${part}/${index}`;
}

/** Length of a chunk of a file; the last one is shorter. Bytes. */
export function chunkLength(bytes: number, index: number): number {
  return Math.min(chunkBytes, bytes - index * chunkBytes);
}

/** `sha256:…` of the archive: of its first entry, which names all the others. */
export function archiveDigest(contents: Uint8Array): string {
  return `sha256:${createHash("sha256").update(contents).digest("hex")}`;
}

/**
 * Reads the first entry of a snapshot's archive as strictly as a stranger deserves: exactly these parts, of sizes a machine of
 * that shape can have, chunks that lie in them.
 * @throws {SnapshotMismatchError}
 */
export function parseSnapshotContents(bytes: Buffer, names: readonly string[]): SnapshotContents {
  const value = parse(bytes);
  if (kindOf(value) === "template") throw otherKind("a template, not a snapshot", "Import it with `--template`");
  const contents = shaped(SnapshotContentsSchema, value);
  checkParts(contents.parts, names, contents.compatibility);
  return contents;
}

/** The same for a template's archive. What its parts are called is its backend's business. @throws {SnapshotMismatchError} */
export function parseTemplateContents(
  bytes: Buffer,
  namesOf: (contents: TemplateContents) => readonly string[],
): TemplateContents {
  const value = parse(bytes);
  if (kindOf(value) === undefined) throw otherKind("a snapshot, not a template", "Import it without `--template`");
  const contents = shaped(TemplateContentsSchema, value);
  checkParts(contents.parts, namesOf(contents), contents.template);
  return contents;
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw badArchive("its contents are not JSON");
  }
}

/** Archives of snapshots name no kind: there was no other when their format was made. */
function kindOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
}

function shaped<T extends TSchema>(schema: T, value: unknown): Static<T> {
  if (!Value.Check(schema, value)) throw badArchive("its contents have not the form this version reads");
  return value;
}

function checkParts(
  found: readonly ContentsPart[],
  names: readonly string[],
  { memory_mb: memoryMb, disk_mb: diskMb }: { readonly memory_mb: number; readonly disk_mb: number },
): void {
  if (found.map((part) => part.name).join() !== names.join()) throw badArchive("it has other parts than it should");
  const most = (Math.max(memoryMb, diskMb) * 2 + slackMb) * 1024 * 1024;
  for (const part of found) {
    if (part.bytes > most) throw badArchive(`its part "${part.name}" is larger than such a machine's can be`);
    const count = Math.ceil(part.bytes / chunkBytes);
    const rising = part.chunks.every((index, at) => index < count && (at === 0 || index > part.chunks[at - 1]!));
    if (!rising) throw badArchive(`the chunks of its part "${part.name}" are not in order`);
  }
}

/** Room for what lies beside memory and disk. MiB. */
const slackMb = 512;

export function badArchive(why: string): SnapshotMismatchError {
  return new SnapshotMismatchError({
    message: `Cannot import the archive: ${why}`,
    hint: "Export it again, and compare its digest on both hosts",
    outcome: "not_started",
  });
}

function otherKind(what: string, hint: string): SnapshotMismatchError {
  return new SnapshotMismatchError({
    message: `Cannot import the archive: it holds ${what}`,
    hint,
    outcome: "not_started",
  });
}
