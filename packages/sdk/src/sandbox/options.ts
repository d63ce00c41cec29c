import type { AccelChoice, NetworkPolicyDocument, Profile, SecretRefDocument } from "@mvm/protocol";
import type { DaemonClientOptions } from "../client/index.js";
import type { NetworkPolicy } from "../network/policy.js";
import type { SecretRef } from "../secrets/secret-ref.js";
import type { CreateProgress } from "./create.js";

/** Which daemon to talk to, and how long to wait for its answers. */
export type ClientOptions = DaemonClientOptions;

/** A host directory in the guest. */
export interface MountOptions {
  readonly host: string;
  readonly guest: string;
  /** @default "ro" */
  readonly mode?: "ro" | "rw";
}

/** What a sandbox is made of. */
export interface SandboxSpec {
  /** @default "python" */
  readonly image?: string | undefined;
  /** Unique among the sandboxes that live. @default none: the id is the only handle */
  readonly name?: string | undefined;
  readonly workloadId?: string | undefined;
  /** @default "standard" */
  readonly profile?: Profile | undefined;
  /** Virtual CPUs, 1 to 16. @default 1 */
  readonly cpu?: number | undefined;
  /** MiB, at least 128. @default 512 */
  readonly memoryMb?: number | undefined;
  /** MiB of writable disk, at least 64. @default 2048 */
  readonly diskMb?: number | undefined;
  /** Seconds, 1 to 30 days, after which it is destroyed. @default none, unless detached: then it has to be given */
  readonly ttlSeconds?: number | undefined;
  /**
   * Seconds, 1 to 30 days, without use after which it is destroyed: no call reached the guest, no command in the foreground ran.
   * @default never for that reason
   */
  readonly idleSeconds?: number | undefined;
  /** Environment of every command. Not for credentials: use `secrets`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** @default "qemu" */
  readonly backend?: string | undefined;
  /** @default "auto": kvm where it works, else tcg with a notice */
  readonly accel?: AccelChoice | undefined;
  /** Refuse to start without isolation by hardware. */
  readonly requireIsolation?: "hardware" | undefined;
  /** @default nothing may leave the sandbox */
  readonly network?: NetworkPolicy | NetworkPolicyDocument | undefined;
  /** By the name of the environment variable that holds the placeholder. */
  readonly secrets?: Readonly<Record<string, SecretRef | SecretRefDocument>> | undefined;
  readonly mounts?: readonly MountOptions[] | undefined;
  /** Let it outlive this process; needs `ttlSeconds`. @default false */
  readonly detach?: boolean | undefined;
  /** Who answers for a detached sandbox. @default the user and process */
  readonly owner?: string | undefined;
  /** Whose audit chain and receipts record it: 1 to 63 letters, digits, `_` or `-`. @default "local" */
  readonly tenant?: string | undefined;
}

/** Options for `Sandbox.create`. */
export interface CreateOptions extends SandboxSpec, ClientOptions {
  /** Aborting destroys the half-made sandbox; `create` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called for phases of the start and notices, such as a fall back to emulation. */
  readonly onProgress?: ((event: CreateProgress) => void) | undefined;
  /** Repeating a detached create with the same key returns the same sandbox. @default a fresh key */
  readonly idempotencyKey?: string | undefined;
}
