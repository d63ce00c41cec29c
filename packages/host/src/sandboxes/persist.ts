import { defaultTenant, type SecretRefDocument } from "@mvm/protocol";
import { denyAll } from "../admission/canonical-network.js";
import type { Plan } from "../admission/plan.js";
import type { Backend } from "../backends/backend.js";
import { sandboxLayout } from "../store/layout.js";
import { stateSchemaVersion, writeStateFile, type StateFile } from "../store/state-file.js";
import { newSandbox, type Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

/**
 * Writes a sandbox's state down. What outlives the daemon (detached sandboxes) also survives a power failure; an attached
 * one ends with the daemon whatever happens, so its file only has to be whole.
 * @param intent what it is about to become: what the next daemon shall finish if this one dies on the way
 */
export function persist(sandbox: Sandbox, intent: Partial<Pick<StateFile, "state" | "reason">> = {}): void {
  const durable = sandbox.detached && sandbox.state !== "creating";
  writeStateFile(sandbox.files.state, { ...toStateFile(sandbox), ...intent }, { durable });
}

/** For what has happened already: a full disk must not keep anybody from ending a sandbox, which is what makes room. */
export function persistIfPossible(services: Services, sandbox: Sandbox): void {
  try {
    persist(sandbox);
  } catch (error) {
    services.log.warn({ sandbox: sandbox.id, err: (error as Error).message }, "a change is not written down");
  }
}

/** What is written down of a sandbox. */
export function toStateFile(sandbox: Sandbox): StateFile {
  const { plan } = sandbox;
  return {
    schema_version: stateSchemaVersion,
    id: sandbox.id,
    name: plan.name,
    state: sandbox.state,
    reason: sandbox.reason,
    image: { ...sandbox.image },
    backend: plan.backend,
    accel_choice: plan.accel,
    require_hardware: plan.requireHardware,
    cpu: plan.cpu,
    memory_mb: plan.memoryMb,
    ...(sandbox.memoryLimitMb !== null && { memory_limit_mb: sandbox.memoryLimitMb }),
    disk_mb: plan.diskMb,
    profile: plan.profile,
    workload_id: plan.workloadId,
    tags: { ...plan.tags },
    owner: sandbox.owner,
    tenant: plan.tenant,
    network: sandbox.network,
    ...heldSecrets(sandbox),
    ...(plan.mounts.length > 0 && { mounts: [...plan.mounts] }),
    detached: sandbox.detached,
    machine_id: sandbox.machineId,
    plan_sha256: sandbox.planSha256,
    policy_sha256: sandbox.policySha256,
    created_at: sandbox.createdAt,
    ready_at: sandbox.readyAt,
    ended_at: sandbox.endedAt,
    expiry: sandbox.expiry,
    idle_seconds: plan.idleSeconds,
    identity: sandbox.identity && { ...sandbox.identity },
    confinement: [...sandbox.confinement],
    background_pids: sandbox.unadopted?.background_pids ?? sandbox.processes.backgroundPids(),
    ports: sandbox.unadopted?.ports ?? sandbox.ports.list(),
    idempotency: sandbox.idempotency,
  };
}

function heldSecrets({ plan, placeholders }: Sandbox): Pick<StateFile, "secrets"> {
  const entries = Object.entries(plan.secrets);
  if (entries.length === 0) return {};
  const held = entries.map(([env, { secret, hosts = [], header = null }]) => [
    env,
    { secret, hosts, header, placeholder: placeholders[env] ?? "" },
  ]);
  return { secrets: Object.fromEntries(held) as NonNullable<StateFile["secrets"]> };
}

/** What was written down of secrets, as a request names them. */
export function referencesOf(secrets: StateFile["secrets"]): Record<string, SecretRefDocument> {
  const references = Object.entries(secrets ?? {}).map(([env, { secret, hosts, header }]) => [
    env,
    { secret, hosts, ...(header !== null && { header }) },
  ]);
  return Object.fromEntries(references) as Record<string, SecretRefDocument>;
}

/** By variable, as they were written down. */
export function placeholdersOf(secrets: StateFile["secrets"]): Record<string, string> {
  return Object.fromEntries(Object.entries(secrets ?? {}).map(([env, { placeholder }]) => [env, placeholder]));
}

/** A sandbox as its state file describes it; its machine, if it has one, is not connected yet. */
export function fromStateFile(state: StateFile, sandboxes: string, backend: Backend): Sandbox {
  const plan: Plan = {
    image: state.image.name,
    imageDigest: state.image.digest,
    name: state.name,
    workloadId: state.workload_id,
    profile: state.profile,
    cpu: state.cpu,
    memoryMb: state.memory_mb,
    diskMb: state.disk_mb,
    ttlSeconds: null,
    idleSeconds: state.idle_seconds ?? null,
    env: {},
    tags: state.tags,
    backend: state.backend,
    accel: state.accel_choice,
    requireHardware: state.require_hardware,
    detach: state.detached,
    owner: state.owner,
    tenant: state.tenant ?? defaultTenant,
    network: state.network ?? denyAll,
    secrets: referencesOf(state.secrets),
    mounts: state.mounts ?? [],
  };
  const { id, image, idempotency } = state;
  return newSandbox(
    { id, plan, backend, image, files: sandboxLayout(sandboxes, id), idempotency },
    {
      machineId: state.machine_id,
      placeholders: placeholdersOf(state.secrets),
      planSha256: state.plan_sha256 ?? null,
      policySha256: state.policy_sha256 ?? null,
      memoryLimitMb: state.memory_limit_mb ?? null,
      createdAt: state.created_at,
      state: state.state,
      reason: state.reason,
      readyAt: state.ready_at,
      endedAt: state.ended_at,
      expiry: state.expiry,
      identity: state.identity,
      confinement: state.confinement,
    },
  );
}
