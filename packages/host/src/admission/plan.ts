import type { AccelChoice, CreateRequest, NetworkPolicyDocument, Profile } from "@mvm/protocol";
import { limits } from "@mvm/protocol";
import { canonicalNetwork } from "./network.js";

/** A create request with every default filled in: what is admitted or refused as a whole, and then carried out. */
export interface Plan {
  readonly image: string;
  readonly name: string | null;
  readonly workloadId: string | null;
  readonly profile: Profile;
  readonly cpu: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  readonly ttlSeconds: number | null;
  readonly idleSeconds: number | null;
  readonly env: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly backend: string;
  readonly accel: AccelChoice;
  readonly requireHardware: boolean;
  readonly detach: boolean;
  readonly owner: string | null;
  /** Canonical: each host in its one spelling. */
  readonly network: NetworkPolicyDocument;
}

export const defaultImageName = "python";

/** Fills in the defaults of docs/api.md. Pure. */
export function planOf(request: CreateRequest): Plan {
  return {
    image: request.image ?? defaultImageName,
    name: request.name ?? null,
    workloadId: request.workload_id ?? null,
    profile: request.profile ?? "standard",
    cpu: request.cpu ?? limits.cpuDefault,
    memoryMb: request.memory_mb ?? limits.memoryDefaultMb,
    diskMb: request.disk_mb ?? limits.diskDefaultMb,
    ttlSeconds: request.ttl_seconds ?? null,
    idleSeconds: request.idle_seconds ?? null,
    env: request.env ?? {},
    tags: request.tags ?? {},
    backend: request.backend ?? "qemu",
    accel: request.accel ?? "auto",
    requireHardware: request.require_isolation === "hardware",
    detach: request.detach ?? false,
    owner: request.owner ?? null,
    network: canonicalNetwork(request.network),
  };
}
