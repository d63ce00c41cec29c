import { SandboxUnavailable, type BootReport } from "@mvm/protocol";
import { accelOf, confinementOf, isolationOf } from "./info.js";
import type { Sandbox } from "./sandbox.js";

/** Where the time of the last start went. Milliseconds since the create was received. */
export interface BootRecord {
  readonly start: "pool" | "template" | "cold";
  totalMs: number;
  readonly phases: Record<string, number>;
}

/** @throws {SandboxUnavailable} no start has been seen by this daemon */
export function bootReport(sandbox: Sandbox): BootReport {
  const { boot } = sandbox;
  if (boot === null) {
    throw new SandboxUnavailable({
      message: `Cannot report the start of sandbox "${sandbox.plan.name ?? sandbox.id}": this daemon did not start it`,
      state: sandbox.state,
      reason: sandbox.reason,
      sandboxId: sandbox.id,
    });
  }
  return {
    sandbox_id: sandbox.id,
    start: boot.start,
    total_ms: boot.totalMs,
    phases: Object.entries(boot.phases)
      .map(([phase, ms]) => ({ phase, ms: Math.max(0, Math.round(ms * 1000) / 1000) }))
      .sort((a, b) => a.ms - b.ms),
    template: sandbox.identity?.template ?? null,
    accel: accelOf(sandbox),
    isolation: isolationOf(accelOf(sandbox)),
    confinement: confinementOf(sandbox),
  };
}
