import type { Confinement, SandboxInfoDocument } from "@mvm/protocol";
import { memoryOf } from "./memory.js";
import type { Sandbox } from "./sandbox.js";

/** What separates a machine's code from the host: QEMU promises isolation under KVM only. */
export function isolationOf(accel: string): "hardware" | "emulated" {
  return accel === "kvm" ? "hardware" : "emulated";
}

/** The accelerator that runs the sandbox, or that was asked for while none does. */
export function accelOf(sandbox: Sandbox): string {
  return sandbox.identity?.accel ?? sandbox.plan.accel;
}

/** The SandboxInfo of docs/api.md. Holds no environment and no secrets. */
export function infoOf(sandbox: Sandbox): SandboxInfoDocument {
  const { plan } = sandbox;
  return {
    id: sandbox.id,
    name: plan.name,
    state: sandbox.state,
    reason: sandbox.reason,
    image: { ...sandbox.image },
    backend: plan.backend,
    accel: accelOf(sandbox),
    isolation: sandbox.identity === null ? "unknown" : isolationOf(sandbox.identity.accel),
    cpu: plan.cpu,
    memory_mb: plan.memoryMb,
    memory: memoryOf(sandbox),
    disk_mb: plan.diskMb,
    profile: plan.profile,
    network: sandbox.network,
    workload_id: plan.workloadId,
    tags: { ...plan.tags },
    owner: sandbox.owner,
    tenant: plan.tenant,
    detached: sandbox.detached,
    created_at: sandbox.createdAt,
    ready_at: sandbox.readyAt,
    expires_at: sandbox.expiry?.at ?? null,
    idle_seconds: plan.idleSeconds,
    ended_at: sandbox.endedAt,
    ports: sandbox.ports.list(),
    confinement: confinementOf(sandbox),
    template: sandbox.identity?.template ?? null,
    plan_sha256: sandbox.planSha256,
    policy_sha256: sandbox.policySha256,
  };
}

/** The layers that hold this machine. Each was found to hold when it was started. */
export function confinementOf(sandbox: Sandbox): Confinement[] {
  return sandbox.confinement.map((layer) => {
    const [name = layer, ...detail] = layer.split(":");
    return { name, active: true, detail: detail.join(":") };
  });
}
