import { PolicyDenied } from "@mvm/protocol";
import type { Plan } from "./plan.js";

/** The most one sandbox may take. Numbers of the host's owner, below the limits of the protocol. */
export interface Ceilings {
  readonly cpu: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  readonly ttlSeconds: number;
}

/** What this host can carry at all. */
export function hostCeilings(host: { cpus: number; memoryMb: number }): Ceilings {
  return { cpu: Math.max(4, host.cpus), memoryMb: host.memoryMb, diskMb: 1024 * 1024, ttlSeconds: 30 * 24 * 3600 };
}

/**
 * Refuses a plan above a ceiling, naming both numbers and the rule `limit.<what>`.
 * @throws {PolicyDenied}
 */
export function checkCeilings(plan: Plan, ceilings: Ceilings): void {
  over("cpu", "cpus", plan.cpu, ceilings.cpu);
  over("memory_mb", "MiB of memory", plan.memoryMb, ceilings.memoryMb);
  over("disk_mb", "MiB of disk", plan.diskMb, ceilings.diskMb);
  if (plan.ttlSeconds !== null) over("ttl_seconds", "seconds to live", plan.ttlSeconds, ceilings.ttlSeconds);
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
