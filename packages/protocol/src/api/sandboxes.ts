import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { endReasons, sandboxStates } from "../states.js";
import { AccelChoiceSchema, MountSchema, NetworkPolicySchema, ProfileSchema, SecretsSchema } from "./plan-parts.js";
import { PortInfoSchema } from "./ports.js";
import { count, env, nullable, oneOf, strict, tags, TenantSchema, text, time } from "./shapes.js";

export const SandboxNameSchema = Type.String({
  minLength: 1,
  maxLength: limits.nameLength,
  pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
});

/** Body of `POST /v1/sandboxes`. Absent fields take the daemon's defaults. */
export const CreateRequestSchema = Type.Object(
  {
    image: Type.Optional(Type.String({ minLength: 1, maxLength: limits.imageLength })),
    name: Type.Optional(SandboxNameSchema),
    workload_id: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    profile: Type.Optional(ProfileSchema),
    cpu: Type.Optional(Type.Integer({ minimum: limits.cpuMin, maximum: limits.cpuMax })),
    memory_mb: Type.Optional(Type.Integer({ minimum: limits.memoryMinMb, maximum: limits.memoryMaxMb })),
    disk_mb: Type.Optional(Type.Integer({ minimum: limits.diskMinMb, maximum: limits.diskMaxMb })),
    ttl_seconds: Type.Optional(
      nullable(Type.Integer({ minimum: limits.ttlMinSeconds, maximum: limits.ttlMaxSeconds })),
    ),
    /** Seconds without use after which it is destroyed. Absent: never for that reason. */
    idle_seconds: Type.Optional(Type.Integer({ minimum: limits.ttlMinSeconds, maximum: limits.ttlMaxSeconds })),
    env: Type.Optional(env),
    tags: Type.Optional(tags),
    backend: Type.Optional(Type.String({ minLength: 1, maxLength: 32 })),
    accel: Type.Optional(AccelChoiceSchema),
    require_isolation: Type.Optional(oneOf(["hardware"])),
    network: Type.Optional(NetworkPolicySchema),
    secrets: Type.Optional(SecretsSchema),
    mounts: Type.Optional(Type.Array(MountSchema, { maxItems: 32 })),
    detach: Type.Optional(Type.Boolean()),
    owner: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    /** Whose audit chain and receipts record it. Absent: `local`. */
    tenant: Type.Optional(TenantSchema),
  },
  strict,
);
export type CreateRequest = Static<typeof CreateRequestSchema>;

export const SandboxStateSchema = oneOf(sandboxStates);
export const EndReasonSchema = oneOf(endReasons);

/** One measure that cages the machine's processes, and whether it holds on this host. */
export const ConfinementSchema = Type.Object(
  { name: Type.String(), active: Type.Boolean(), detail: Type.String() },
  strict,
);
export type Confinement = Static<typeof ConfinementSchema>;

/** Memory of a sandbox: what the host reserves and allows, and what the guest says of it (null where it is not asked). */
export const SandboxMemorySchema = Type.Object(
  {
    /** MiB of the machine: the ceiling of any limit, reserved on the host as long as it runs. */
    reserved_mb: count,
    /** MiB its commands may use together. */
    limit_mb: count,
    /** Bytes they use, files the kernel keeps for them included. */
    used_bytes: nullable(count),
    /** Bytes of these that the kernel cannot take back. */
    held_bytes: nullable(count),
    /** Most they have used at once since the machine booted, in bytes. */
    peak_bytes: nullable(count),
    /** Bytes that lowered limits have taken back since the machine booted. */
    reclaimed_bytes: nullable(count),
  },
  strict,
);
export type SandboxMemory = Static<typeof SandboxMemorySchema>;

/** Everything there is to know about a sandbox, without secrets. */
export const SandboxInfoSchema = Type.Object(
  {
    id: Type.String(),
    name: nullable(Type.String()),
    state: SandboxStateSchema,
    reason: nullable(EndReasonSchema),
    image: Type.Object({ name: Type.String(), digest: Type.String() }, strict),
    backend: Type.String(),
    accel: Type.String(),
    isolation: Type.String(),
    cpu: count,
    memory_mb: count,
    memory: SandboxMemorySchema,
    disk_mb: count,
    profile: ProfileSchema,
    network: NetworkPolicySchema,
    workload_id: nullable(Type.String()),
    tags,
    owner: nullable(Type.String()),
    tenant: TenantSchema,
    detached: Type.Boolean(),
    created_at: time,
    ready_at: nullable(time),
    expires_at: nullable(time),
    idle_seconds: nullable(count),
    ended_at: nullable(time),
    ports: Type.Array(PortInfoSchema),
    confinement: Type.Array(ConfinementSchema),
    template: nullable(Type.String()),
    /** sha256 in hex of the plan that was admitted, and of the policy that admitted it. */
    plan_sha256: nullable(Type.String()),
    policy_sha256: nullable(Type.String()),
  },
  strict,
);
export type SandboxInfoDocument = Static<typeof SandboxInfoSchema>;

export const SandboxListSchema = Type.Object({ sandboxes: Type.Array(SandboxInfoSchema) }, strict);
export const SandboxListQuerySchema = Type.Object(
  {
    /** `key=value`, repeated for more than one. */
    tag: Type.Optional(Type.Union([text, Type.Array(text, { maxItems: limits.tags })])),
    state: Type.Optional(SandboxStateSchema),
  },
  strict,
);
export const DestroyResultSchema = Type.Object({ destroyed: Type.Boolean(), guarantee: Type.String() }, strict);
export type DestroyResultDocument = Static<typeof DestroyResultSchema>;
export const TtlRequestSchema = Type.Object(
  { ttl_seconds: nullable(Type.Integer({ minimum: limits.ttlMinSeconds, maximum: limits.ttlMaxSeconds })) },
  strict,
);
export type TtlRequest = Static<typeof TtlRequestSchema>;
/** Body of `POST /v1/sandboxes/:ref/resize`. */
export const SandboxResizeSchema = Type.Object(
  { memory_mb: Type.Integer({ minimum: limits.memoryMinMb, maximum: limits.memoryMaxMb }) },
  strict,
);
export type SandboxResize = Static<typeof SandboxResizeSchema>;
export const SandboxRefSchema = Type.Object({ ref: Type.String({ minLength: 1, maxLength: 128 }) }, strict);
