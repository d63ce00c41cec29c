import { InvalidArgumentError, type PlanDocument } from "@mvm/protocol";
import { canonicalJson, sha256 } from "@mvm/evidence";
import type { Plan } from "./plan.js";

/** A plan as people and evidence see it. Of plaintext variables it holds the names only: a digest over values could be guessed. */
export function planDocument(plan: Plan): PlanDocument {
  return {
    v: 1,
    image: { ref: plan.image, digest: plan.imageDigest },
    name: plan.name,
    workload_id: plan.workloadId,
    profile: plan.profile,
    resources: { cpu: plan.cpu, memory_mb: plan.memoryMb, disk_mb: plan.diskMb },
    ttl_seconds: plan.ttlSeconds,
    idle_seconds: plan.idleSeconds,
    detach: plan.detach,
    owner: plan.owner,
    tenant: plan.tenant,
    network: { default: "deny", allow: plan.network.allow.map((rule) => ({ ...rule })) },
    secrets: Object.entries(plan.secrets)
      .map(([env, { secret, hosts, header }]) => ({ env, secret, hosts: hosts ?? null, header: header ?? null }))
      .sort((a, b) => (a.env < b.env ? -1 : 1)),
    mounts: plan.mounts.map((mount) => ({ ...mount })),
    plaintext_env: Object.keys(plan.env).sort(),
    tags: { ...plan.tags },
    isolation: { backend: plan.backend, accel: plan.accel, require: plan.requireHardware ? "hardware" : null },
  };
}

/**
 * sha256 in hex over the document's canonical JSON (RFC 8785): equal plans, and only they, have equal hashes.
 * @throws {InvalidArgumentError} it holds what JSON would change in silence, such as half of a surrogate pair
 */
export function planSha256(plan: Plan): string {
  try {
    return canonicalSha256(planDocument(plan));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new InvalidArgumentError({ message: `Cannot accept the request: ${error.message}`, cause: error });
  }
}

/** sha256 in hex over the canonical JSON (RFC 8785) of a value. */
export function canonicalSha256(value: unknown): string {
  return sha256(canonicalJson(value));
}
