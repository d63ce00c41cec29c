import { readFileSync } from "node:fs";
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import {
  EndReasonSchema,
  MountSchema,
  NetworkPolicySchema,
  PortInfoSchema,
  ProfileSchema,
  SandboxStateSchema,
} from "@mvm/protocol/schemas";
import { tenantPattern } from "@mvm/protocol";
import { writeFileAtomic, type AtomicWriteOptions } from "./atomic.js";

/** Version of the state file. A daemon reads its own and refuses newer ones. */
export const stateSchemaVersion = 1;

const strict = { additionalProperties: false } as const;
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const strings = Type.Record(Type.String(), Type.String());

const IdentitySchema = Type.Object(
  {
    pid: Type.Integer({ minimum: 1 }),
    startTime: Type.String(),
    bootId: Type.String(),
    cookie: Type.String(),
    accel: Type.Union([Type.Literal("kvm"), Type.Literal("tcg")]),
    cpus: Type.Integer(),
    memoryMb: Type.Integer(),
    template: nullable(Type.String()),
  },
  strict,
);

const HeldSecretSchema = Type.Object(
  {
    secret: Type.String(),
    hosts: Type.Array(Type.String()),
    header: nullable(Type.String()),
    placeholder: Type.String(),
  },
  strict,
);

/** `sandboxes/<id>/state.json`: everything recovery needs. No environment, no argv, no values of secrets. */
export const StateFileSchema = Type.Object(
  {
    schema_version: Type.Literal(stateSchemaVersion),
    id: Type.String(),
    name: nullable(Type.String()),
    state: SandboxStateSchema,
    reason: nullable(EndReasonSchema),
    image: Type.Object({ name: Type.String(), digest: Type.String() }, strict),
    backend: Type.String(),
    accel_choice: Type.Union([Type.Literal("auto"), Type.Literal("kvm"), Type.Literal("tcg")]),
    require_hardware: Type.Boolean(),
    cpu: Type.Integer(),
    memory_mb: Type.Integer(),
    /** Limit below the machine's memory that was set last. Absent: none. */
    memory_limit_mb: Type.Optional(Type.Integer({ minimum: 1 })),
    disk_mb: Type.Integer(),
    profile: ProfileSchema,
    workload_id: nullable(Type.String()),
    tags: strings,
    owner: nullable(Type.String()),
    /** Files of older daemons have none: `local`. */
    tenant: Type.Optional(Type.String({ pattern: tenantPattern })),
    /** Absent: deny all. */
    network: Type.Optional(NetworkPolicySchema),
    /** By variable: names of secrets, never values, and what the guest holds instead. */
    secrets: Type.Optional(Type.Record(Type.String(), HeldSecretSchema)),
    /** Absent: none. */
    mounts: Type.Optional(Type.Array(MountSchema)),
    detached: Type.Boolean(),
    machine_id: Type.String(),
    /** Of the plan and the policy that admitted the latest machine. Files of older daemons have none. */
    plan_sha256: Type.Optional(nullable(Type.String())),
    policy_sha256: Type.Optional(nullable(Type.String())),
    created_at: Type.String(),
    ready_at: nullable(Type.String()),
    ended_at: nullable(Type.String()),
    idle_seconds: Type.Optional(nullable(Type.Integer({ minimum: 1 }))),
    expiry: nullable(Type.Object({ at: Type.String(), atUptimeMs: Type.Number(), bootId: Type.String() }, strict)),
    identity: nullable(IdentitySchema),
    confinement: Type.Array(Type.String()),
    /** Commands of the guest that outlive the connection which started them. */
    background_pids: Type.Array(Type.Integer()),
    ports: Type.Array(PortInfoSchema),
    idempotency: nullable(Type.Object({ key: Type.String(), body_sha256: Type.String() }, strict)),
  },
  strict,
);

export type StateFile = Static<typeof StateFileSchema>;

/** What is wrong with a state file: a person reads it in `doctor`. */
export type StateFileResult =
  | { readonly ok: true; readonly state: StateFile }
  | { readonly ok: false; readonly problem: string; readonly newer: boolean };

export function writeStateFile(path: string, state: StateFile, options?: AtomicWriteOptions): void {
  writeFileAtomic(path, JSON.stringify(state), options);
}

/** Reads a state file without trusting it: it may be torn, empty, random, or of another version. Never throws. */
export function readStateFile(path: string, expectedId: string): StateFileResult {
  const bad = (problem: string, newer = false): StateFileResult => ({ ok: false, problem, newer });
  let value: unknown;
  try {
    const text = readFileSync(path, "utf8");
    if (text.trim() === "") return bad("its state file is empty");
    value = JSON.parse(text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return bad("it has no state file");
    return bad(error instanceof SyntaxError ? "its state file is not whole JSON" : "its state file cannot be read");
  }
  const version = (value as { schema_version?: unknown } | null)?.schema_version;
  if (typeof version === "number" && version > stateSchemaVersion) {
    return bad(`its state file has version ${version}, this daemon reads ${stateSchemaVersion}`, true);
  }
  if (!Value.Check(StateFileSchema, value)) {
    const first = Value.Errors(StateFileSchema, value).First();
    return bad(`its state file is not valid at ${first?.path || "/"}`);
  }
  if (value.id !== expectedId) return bad("its state file belongs to another sandbox");
  return { ok: true, state: value };
}
