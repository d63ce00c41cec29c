import { PolicyDenied } from "@mvm/protocol";
import type { Plan } from "./plan.js";

/** The most one sandbox may take, and how many there may be. Numbers of the host and of its owner's limits.toml. */
export interface Ceilings {
  readonly cpu: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  readonly ttlSeconds: number;
  /** Sandboxes of this state root that have not ended; Infinity without a limit. */
  readonly sandboxes: number;
}

/** What this host can carry at all. */
export function hostCeilings(host: { cpus: number; memoryMb: number }): Ceilings {
  return {
    ...{ cpu: Math.max(4, host.cpus), memoryMb: host.memoryMb, diskMb: 1024 * 1024, ttlSeconds: 30 * 24 * 3600 },
    sandboxes: Infinity,
  };
}

/** The lowest of each: no set of ceilings raises another's. */
export function lowest(first: Ceilings, ...others: readonly Partial<Ceilings>[]): Ceilings {
  const least = (field: keyof Ceilings): number =>
    Math.min(first[field], ...others.map((other) => other[field] ?? Infinity));
  return {
    ...{ cpu: least("cpu"), memoryMb: least("memoryMb"), diskMb: least("diskMb"), ttlSeconds: least("ttlSeconds") },
    sandboxes: least("sandboxes"),
  };
}

/**
 * Refuses a plan above a ceiling, naming both numbers and the rule `limit.<what>`.
 * @throws {PolicyDenied}
 */
export function checkCeilings(plan: Plan, ceilings: Ceilings): void {
  over("cpu", "cpus", plan.cpu, ceilings.cpu);
  over("memory_mb", "MiB of memory", plan.memoryMb, ceilings.memoryMb);
  over("disk_mb", "MiB of disk", plan.diskMb, ceilings.diskMb);
  if (plan.ttlSeconds !== null) checkTtl(plan.ttlSeconds, ceilings);
}

/** @throws {PolicyDenied} rule `limit.ttl_seconds` */
export function checkTtl(seconds: number, ceilings: Ceilings): void {
  over("ttl_seconds", "seconds to live", seconds, ceilings.ttlSeconds);
}

/**
 * Refuses one sandbox more than there may be.
 * @param there sandboxes that have not ended
 * @throws {PolicyDenied} rule `limit.sandboxes`
 */
export function checkCount(there: number, ceilings: Ceilings): void {
  if (there < ceilings.sandboxes) return;
  throw new PolicyDenied({
    code: "POLICY_LIMIT",
    message: `Cannot start one more sandbox: there are ${there}, the ceiling is ${ceilings.sandboxes}`,
    rule: "limit.sandboxes",
    hint: "Destroy one, or raise the ceiling in the operator's policy",
    context: { asked: there + 1, ceiling: ceilings.sandboxes },
  });
}

function over(field: string, unit: string, asked: number, ceiling: number): void {
  if (asked <= ceiling) return;
  throw new PolicyDenied({
    code: "POLICY_LIMIT",
    message: `Cannot give the sandbox ${asked} ${unit}: the ceiling is ${ceiling}`,
    rule: `limit.${field}`,
    context: { asked, ceiling },
  });
}
