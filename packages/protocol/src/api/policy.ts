import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { AccelChoiceSchema, MountSchema, NetworkPolicySchema, ProfileSchema } from "./plan-parts.js";
import { PortForwardBodySchema } from "./ports.js";
import { CreateRequestSchema } from "./sandboxes.js";
import { count, nullable, strict, tags, TenantSchema } from "./shapes.js";

const sha256 = Type.String({ pattern: "^[0-9a-f]{64}$" });

/**
 * What would be started, wholly resolved. Its sha256 over canonical JSON (RFC 8785) names it in evidence. Values of plaintext
 * variables and of secrets are not part of it.
 */
export const PlanSchema = Type.Object(
  {
    v: Type.Literal(1),
    /** `digest` is null while the image has not been built; it is admitted again once it has. */
    image: Type.Object({ ref: Type.String(), digest: nullable(Type.String()) }, strict),
    name: nullable(Type.String()),
    workload_id: nullable(Type.String()),
    profile: ProfileSchema,
    resources: Type.Object({ cpu: count, memory_mb: count, disk_mb: count }, strict),
    ttl_seconds: nullable(count),
    idle_seconds: nullable(count),
    detach: Type.Boolean(),
    owner: nullable(Type.String()),
    tenant: TenantSchema,
    network: NetworkPolicySchema,
    secrets: Type.Array(
      Type.Object(
        {
          env: Type.String(),
          secret: Type.String(),
          hosts: nullable(Type.Array(Type.String())),
          header: nullable(Type.String()),
        },
        strict,
      ),
    ),
    mounts: Type.Array(MountSchema),
    /** Names of the variables whose values the guest can read. */
    plaintext_env: Type.Array(Type.String()),
    tags,
    isolation: Type.Object(
      { backend: Type.String(), accel: AccelChoiceSchema, require: nullable(Type.Literal("hardware")) },
      strict,
    ),
  },
  strict,
);
export type PlanDocument = Static<typeof PlanSchema>;

/** Body of `POST /v1/policy/check`: that of a create, and the ports that would be forwarded into the sandbox. */
export const PolicyCheckRequestSchema = Type.Object(
  {
    ...CreateRequestSchema.properties,
    ports: Type.Optional(Type.Array(PortForwardBodySchema, { maxItems: limits.forwards })),
  },
  strict,
);
export type PolicyCheckRequest = Static<typeof PolicyCheckRequestSchema>;

/** Answer to `POST /v1/policy/check`: what a create with the same body would be told. Nothing was started. */
export const PolicyDecisionSchema = Type.Object(
  {
    schema_version: Type.Literal(1),
    admitted: Type.Boolean(),
    /** Rules that permit it; the rule that refuses it. */
    rules: Type.Array(Type.String()),
    /** Why not; null when it is admitted. */
    denied: nullable(
      Type.Object(
        {
          code: Type.String(),
          message: Type.String(),
          hint: Type.String(),
          rule: Type.String(),
          boundary: Type.String(),
        },
        strict,
      ),
    ),
    plan: PlanSchema,
    plan_sha256: sha256,
    policy_sha256: sha256,
  },
  strict,
);
export type PolicyDecision = Static<typeof PolicyDecisionSchema>;

/** Answer to `GET /v1/policy`. */
export const PolicyInfoSchema = Type.Object(
  {
    schema_version: Type.Literal(1),
    /** False while a file of policy is broken: nothing is admitted. */
    ok: Type.Boolean(),
    sha256: nullable(sha256),
    /** Where the operator's files are looked for. */
    directories: Type.Array(Type.String()),
    files: Type.Array(Type.Object({ path: Type.String(), sha256 }, strict)),
    rules: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          effect: Type.Union([Type.Literal("permit"), Type.Literal("forbid")]),
          path: Type.String(),
          line: count,
          built_in: Type.Boolean(),
        },
        strict,
      ),
    ),
    /** `sandboxes` is null without a limit. */
    ceilings: nullable(
      Type.Object(
        { cpu: count, memory_mb: count, disk_mb: count, ttl_seconds: count, sandboxes: nullable(count) },
        strict,
      ),
    ),
    problems: Type.Array(
      Type.Object(
        { file: Type.String(), line: nullable(count), column: nullable(count), problem: Type.String() },
        strict,
      ),
    ),
  },
  strict,
);
export type PolicyInfo = Static<typeof PolicyInfoSchema>;
