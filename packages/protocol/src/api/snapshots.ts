import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { ErrorEventSchema, NoticeEventSchema, ProgressEventSchema } from "./events.js";
import { SandboxNameSchema } from "./sandboxes.js";
import { count, nullable, strict, tags, time } from "./shapes.js";
import { NetworkPolicySchema } from "./plan-parts.js";

const ttl = Type.Integer({ minimum: limits.ttlMinSeconds, maximum: limits.ttlMaxSeconds });
const owner = Type.String({ minLength: 1, maxLength: 255 });

/** Body of `POST /v1/sandboxes/:ref/detach`: from now on the time to live ends the sandbox, not its client. */
export const DetachRequestSchema = Type.Object({ ttl_seconds: ttl, owner: Type.Optional(owner) }, strict);
export type DetachRequest = Static<typeof DetachRequestSchema>;

/** Body of `POST /v1/sandboxes/:ref/snapshots`. Without a name the snapshot is known by its id only. */
export const SnapshotRequestSchema = Type.Object({ name: Type.Optional(SandboxNameSchema) }, strict);
export type SnapshotRequest = Static<typeof SnapshotRequestSchema>;

/** What a snapshot can only be restored with. A difference is refused by name, before anything is read. */
export const CompatibilitySchema = Type.Object(
  {
    /** Format of the parts; raised when their meaning changes. */
    format: count,
    backend: Type.String(),
    accel: Type.String(),
    qemu_version: Type.String(),
    cpu_model: Type.String(),
    /** Model of the host's processor where the guest sees it (kvm); null under emulation. */
    host_cpu: nullable(Type.String()),
    /** Frequency of the time stamp counter that the guest measured once (emulation), in kHz; null where it asks its host. */
    tsc_khz: Type.Optional(nullable(count)),
    /** sha256 of the machine's devices: the command line without paths and names. */
    topology_sha256: Type.String(),
    cpu: count,
    memory_mb: count,
    disk_mb: count,
    image_digest: Type.String(),
    kernel_sha256: Type.String(),
  },
  strict,
);
export type Compatibility = Static<typeof CompatibilitySchema>;

/** One file of a snapshot. `sha256` is the root of a tree of 4 MiB chunks (docs/snapshots.md). */
export const SnapshotPartSchema = Type.Object({ name: Type.String(), bytes: count, sha256: Type.String() }, strict);
export type SnapshotPart = Static<typeof SnapshotPartSchema>;

export const SnapshotInfoSchema = Type.Object(
  {
    id: Type.String(),
    name: nullable(Type.String()),
    /** Rises with every seal of this state root: an older one put in place of a newer is refused. */
    epoch: count,
    created_at: time,
    sandbox: Type.Object({ id: Type.String(), name: nullable(Type.String()) }, strict),
    image: Type.Object({ name: Type.String(), digest: Type.String() }, strict),
    /** The guest's file system was flushed and frozen at the moment of capture; false when its agent could not be asked. */
    frozen: Type.Boolean(),
    /** What to know before handing it on: always `sensitive`, for the memory holds whatever the programs held. */
    labels: Type.Array(Type.String()),
    /** Host storage it takes. */
    bytes: count,
    compatibility: CompatibilitySchema,
    parts: Type.Array(SnapshotPartSchema),
  },
  strict,
);
export type SnapshotInfo = Static<typeof SnapshotInfoSchema>;
export const SnapshotListSchema = Type.Object({ snapshots: Type.Array(SnapshotInfoSchema) }, strict);
export const SnapshotVerdictSchema = Type.Object(
  {
    ok: Type.Literal(true),
    snapshot: Type.String(),
    epoch: count,
    /** What was read: the blocks of its parts, without the holes of sparse files. */
    bytes: count,
  },
  strict,
);
export type SnapshotVerdict = Static<typeof SnapshotVerdictSchema>;
export const SnapshotRemovedSchema = Type.Object({ removed: Type.Boolean() }, strict);

/** Query of `POST /v1/snapshots/import`; its body is an exported archive. `key` is a public key to trust, PEM or base64 of its DER. */
export const SnapshotImportQuerySchema = Type.Object(
  { name: Type.Optional(SandboxNameSchema), key: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })) },
  strict,
);
/** What was imported, under an id and epoch of this state root, and the digest of its archive. */
export const SnapshotImportedSchema = Type.Object({ snapshot: SnapshotInfoSchema, digest: Type.String() }, strict);
export type SnapshotImported = Static<typeof SnapshotImportedSchema>;

/** Lines of `POST /v1/sandboxes/:ref/snapshots`. */
export const SavedEventSchema = Type.Object({ event: Type.Literal("saved"), snapshot: SnapshotInfoSchema }, strict);
export const SnapshotEventSchema = Type.Union([
  ProgressEventSchema,
  NoticeEventSchema,
  SavedEventSchema,
  ErrorEventSchema,
]);
export type SnapshotStreamEvent = Static<typeof SnapshotEventSchema>;

/** How the sandboxes made of captured state live: as in a create request. */
const lifetime = {
  /** Instead of the network policy it was captured with; admitted like any other. */
  network: Type.Optional(NetworkPolicySchema),
  detach: Type.Optional(Type.Boolean()),
  ttl_seconds: Type.Optional(ttl),
  owner: Type.Optional(owner),
  tags: Type.Optional(tags),
};

/** Body of `POST /v1/snapshots/:ref/restore`; answered like a create, and a lease like one. */
export const RestoreRequestSchema = Type.Object({ name: Type.Optional(SandboxNameSchema), ...lifetime }, strict);
export type RestoreRequest = Static<typeof RestoreRequestSchema>;

/**
 * Body of `POST /v1/sandboxes/:ref/fork`. Answered with one `created` a fork; without `detach` the stream is the lease of
 * all of them. `names` has one entry a fork, or is absent.
 */
export const ForkRequestSchema = Type.Object(
  {
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.forksAtOnce })),
    names: Type.Optional(Type.Array(SandboxNameSchema, { minItems: 1, maxItems: limits.forksAtOnce })),
    ...lifetime,
  },
  strict,
);
export type ForkRequest = Static<typeof ForkRequestSchema>;

/** Body of `POST /v1/snapshots/prune`: what goes beyond any of the given bounds is removed, oldest first. */
export const PruneRequestSchema = Type.Object(
  {
    /** Only snapshots of this sandbox, by id or name. */
    sandbox: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    keep_last: Type.Optional(count),
    max_age_seconds: Type.Optional(count),
    quota_bytes: Type.Optional(count),
    dry_run: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type PruneRequest = Static<typeof PruneRequestSchema>;
