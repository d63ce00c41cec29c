import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CreateRequest, type RestoreRequest, SnapshotMismatchError } from "@mvm/protocol";
import { denyAll } from "../admission/canonical-network.js";
import { admit, type AdmissionFacts } from "../admission/admit.js";
import type { Backend } from "../backends/backend.js";
import { createSandbox, type CreateOptions } from "../sandboxes/create.js";
import { placeholdersOf, referencesOf } from "../sandboxes/persist.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { requireCompatible } from "./compare.js";
import type { Manifest, Source } from "./manifest.js";
import { envPart } from "./save.js";

/**
 * Makes a new sandbox that goes on where the snapshot was taken: same memory, disk and processes, but randomness, machine id,
 * host name and clock of its own. Admitted like any other create. Nothing of it is read before seal, ledger, compatibility
 * and every digest have been checked.
 * @throws {SnapshotError | SnapshotMismatchError | BackendUnsupported | PolicyDenied}
 */
export async function restoreSnapshot(
  services: Services,
  ref: string,
  request: RestoreRequest,
  facts: AdmissionFacts,
  options: CreateOptions,
): Promise<Sandbox> {
  const { snapshots } = services;
  const captured = snapshots.open(ref);
  const release = snapshots.holds.take(captured.manifest.id);
  try {
    const { manifest, directory } = captured;
    const backend = backendOf(services, manifest);
    await requireFitting(captured, backend);
    options.onProgress?.({ phase: "verify", detail: "comparing the snapshot with its seal" });
    await snapshots.verify(captured, backend, { signal: options.signal });
    const env = readEnv(join(directory, envPart));
    const admitted = await admit(requestOf(manifest.source, manifest.compatibility.accel, env, request), facts);
    const state = { directory, memoryOffset: manifest.memory_offset };
    const placeholders = placeholdersOf(manifest.source.secrets);
    const memoryLimitMb = manifest.source.memory_limit_mb ?? null;
    return await createSandbox(services, admitted, { ...options, captured: state, placeholders, memoryLimitMb });
  } finally {
    release();
  }
}

/** @throws {BackendUnsupported | SnapshotMismatchError} naming the difference */
export async function requireFitting(
  { manifest, what }: { readonly manifest: Pick<Manifest, "compatibility">; readonly what: string },
  backend: Backend,
): Promise<void> {
  const { accel, cpu, memory_mb, disk_mb, image_digest } = manifest.compatibility;
  const shape = { cpus: cpu, memoryMb: memory_mb, diskMb: disk_mb, imageDigest: image_digest };
  const here = await backend.compatibility({ ...shape, accel: accel === "kvm" ? "kvm" : "tcg" });
  requireCompatible(what, manifest.compatibility, here);
}

/** The create request that a captured sandbox's next life is admitted by. */
export function requestOf(
  source: Source,
  accel: string,
  env: Readonly<Record<string, string>>,
  life: RestoreRequest,
): CreateRequest {
  return {
    image: source.image.digest,
    profile: source.profile,
    cpu: source.cpu,
    memory_mb: source.memory_mb,
    disk_mb: source.disk_mb,
    backend: source.backend,
    accel: accel === "kvm" ? "kvm" : "tcg",
    ...(source.require_hardware ? { require_isolation: "hardware" as const } : {}),
    ...(source.workload_id === null ? {} : { workload_id: source.workload_id }),
    env: { ...env },
    secrets: referencesOf(source.secrets),
    network: life.network ?? source.network ?? denyAll,
    tags: { ...source.tags, ...life.tags },
    ...(source.tenant === undefined ? {} : { tenant: source.tenant }),
    ...(life.name === undefined ? {} : { name: life.name }),
    ...(life.detach === undefined ? {} : { detach: life.detach }),
    ...(life.ttl_seconds === undefined ? {} : { ttl_seconds: life.ttl_seconds }),
    ...(life.owner === undefined ? {} : { owner: life.owner }),
  };
}

/** The backend a captured machine belongs to. */
export function backendOf(services: Services, manifest: Pick<Manifest, "compatibility">): Backend {
  const backend = services.backends.find(({ name }) => name === manifest.compatibility.backend);
  if (backend !== undefined) return backend;
  throw new SnapshotMismatchError({
    message: `Cannot use the snapshot: its backend "${manifest.compatibility.backend}" is not one of this version`,
  });
}

function readEnv(path: string): Record<string, string> {
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
}
