import type {
  AccelChoice,
  CreateRequest,
  Mount,
  NetworkPolicyDocument,
  Profile,
  SecretRefDocument,
} from "@mvm/protocol";
import { defaultTenant, limits } from "@mvm/protocol";
import { canonicalNetwork } from "./canonical-network.js";

/** A create request with every default filled in: what is admitted or refused as a whole, and then carried out. */
export interface Plan {
  readonly image: string;
  /** What the image's name stands for; null while it has not been built. */
  readonly imageDigest: string | null;
  readonly name: string | null;
  readonly workloadId: string | null;
  readonly profile: Profile;
  readonly cpu: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  readonly ttlSeconds: number | null;
  readonly idleSeconds: number | null;
  /** Plaintext: the guest, and whoever can read its memory, sees the values. */
  readonly env: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly backend: string;
  readonly accel: AccelChoice;
  readonly requireHardware: boolean;
  readonly detach: boolean;
  readonly owner: string | null;
  /** Whose audit chain and receipts record it. */
  readonly tenant: string;
  /** Canonical: each host in its one spelling. */
  readonly network: NetworkPolicyDocument;
  /** By the variable that holds the placeholder. */
  readonly secrets: Readonly<Record<string, SecretRefDocument>>;
  readonly mounts: readonly Mount[];
}

export const defaultImageName = "python";

/** Fills in the defaults of docs/api.md. Pure. */
export function planOf(request: CreateRequest, imageDigest: string | null = null): Plan {
  return {
    image: request.image ?? defaultImageName,
    imageDigest,
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
    tenant: request.tenant ?? defaultTenant,
    network: canonicalNetwork(request.network),
    secrets: request.secrets ?? {},
    mounts: request.mounts ?? [],
  };
}
