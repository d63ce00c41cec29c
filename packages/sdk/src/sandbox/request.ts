import {
  type CreateRequest,
  InvalidArgumentError,
  validateCpu,
  validateDiskMb,
  validateEnv,
  validateEnvName,
  validateGuestPath,
  validateImage,
  validateMemoryMb,
  validateName,
  validateTags,
  validateTtlSeconds,
} from "@mvm/protocol";
import { NetworkPolicy } from "../network/policy.js";
import { SecretRef } from "../secrets/secret-ref.js";
import { defined, refuseUnknown } from "../wire/options.js";
import type { CreateOptions, MountOptions, SandboxSpec } from "./options.js";

const known = {
  image: true,
  name: true,
  workloadId: true,
  profile: true,
  cpu: true,
  memoryMb: true,
  diskMb: true,
  ttlSeconds: true,
  idleSeconds: true,
  env: true,
  tags: true,
  backend: true,
  accel: true,
  requireIsolation: true,
  network: true,
  secrets: true,
  mounts: true,
  detach: true,
  owner: true,
  tenant: true,
  home: true,
  autoStart: true,
  requestTimeoutMs: true,
  signal: true,
  onProgress: true,
  idempotencyKey: true,
} as const satisfies { readonly [Option in keyof CreateOptions]-?: true };
const knownNames: ReadonlySet<string> = new Set(Object.keys(known));

function secretDocuments(secrets: NonNullable<SandboxSpec["secrets"]>): CreateRequest["secrets"] {
  return Object.fromEntries(
    Object.entries(secrets).map(([variable, secret]) => {
      validateEnvName(variable);
      const reference = secret instanceof SecretRef ? secret : SecretRef.from(secret.secret, secret);
      return [variable, reference.toJSON()];
    }),
  );
}

function mountDocuments(mounts: readonly MountOptions[]): CreateRequest["mounts"] {
  return mounts.map(({ host, guest, mode }) => ({ host, guest: validateGuestPath(guest), mode: mode ?? "ro" }));
}

/** Applies a check to a value that is there. */
function when<T, R>(value: T | undefined, check: (value: T) => R): R | undefined {
  return value === undefined ? undefined : check(value);
}

/** The body of the create call. Throws `InvalidArgumentError` for what the daemon would refuse as malformed anyway. */
export function createRequest(options: CreateOptions): CreateRequest {
  refuseUnknown("Sandbox.create", options, knownNames);
  if (options.detach === true && options.ttlSeconds === undefined) {
    throw new InvalidArgumentError({
      message: "Cannot detach the sandbox: it has no time to live",
      hint: "Give `ttlSeconds`: what outlives its client has to end some time",
      context: { argument: "ttl" },
    });
  }
  return defined({
    image: when(options.image, validateImage),
    name: when(options.name, validateName),
    workload_id: options.workloadId,
    profile: options.profile,
    cpu: when(options.cpu, validateCpu),
    memory_mb: when(options.memoryMb, validateMemoryMb),
    disk_mb: when(options.diskMb, validateDiskMb),
    ttl_seconds: when(options.ttlSeconds, validateTtlSeconds),
    idle_seconds: when(options.idleSeconds, validateTtlSeconds),
    env: when(options.env, validateEnv),
    tags: when(options.tags, validateTags),
    backend: options.backend,
    accel: options.accel,
    require_isolation: options.requireIsolation,
    network: when(options.network, (policy) => NetworkPolicy.from(policy).toJSON()),
    secrets: when(options.secrets, secretDocuments),
    mounts: when(options.mounts, mountDocuments),
    detach: options.detach,
    owner: options.owner,
    tenant: options.tenant,
  });
}
