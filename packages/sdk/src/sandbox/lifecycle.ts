import {
  type DestroyResultDocument,
  isSandboxError,
  type NetworkPolicyDocument,
  type SandboxInfoDocument,
  type SandboxResize,
  type TtlRequest,
  validateMemoryMb,
  validateTtlSeconds,
} from "@mvm/protocol";
import { defined } from "../wire/options.js";
import { NetworkPolicy } from "../network/policy.js";
import { sandboxInfo, type SandboxInfo } from "./info.js";
import { type CallOptions, callOf, type Target } from "./target.js";

/** What destroying did: whether there was something left, and what the deletion guarantees. */
export type DestroyResult = DestroyResultDocument;

/** The sandbox as it is now. */
export async function status(target: Target, options?: CallOptions): Promise<SandboxInfo> {
  const call = callOf(target, { method: "GET", path: "", operation: "sandboxes.status" }, options);
  return sandboxInfo(await target.client.json<SandboxInfoDocument>(call));
}

/** What changes a sandbox's machine as a whole. Repeating one that is done does nothing. */
export type Change = "stop" | "start" | "pause" | "resume" | "cold";

/** Makes the change and answers when it is done. Throws `SandboxUnavailable`, naming the state, where it is not possible. */
export async function change(target: Target, verb: Change, options?: CallOptions): Promise<SandboxInfo> {
  const call = callOf(
    target,
    {
      method: "POST",
      path: `/${verb}`,
      operation: `sandboxes.${verb}`,
      json: {},
      idempotent: true,
      patient: () => true,
    },
    options,
  );
  return sandboxInfo(await target.client.json<SandboxInfoDocument>(call));
}

/** Options for `sandbox.detach`. */
export interface DetachOptions extends CallOptions {
  /** Seconds from now, 1 to 30 days, after which it is destroyed. */
  readonly ttlSeconds: number;
  /** Who answers for it from now on. @default as before */
  readonly owner?: string | undefined;
}

/** Lets the sandbox outlive its client. */
export async function detach(target: Target, options: DetachOptions): Promise<SandboxInfo> {
  const json = defined({ ttl_seconds: validateTtlSeconds(options.ttlSeconds), owner: options.owner });
  const call = callOf(
    target,
    { method: "POST", path: "/detach", operation: "sandboxes.detach", json, idempotent: true },
    options,
  );
  return sandboxInfo(await target.client.json<SandboxInfoDocument>(call));
}

/**
 * Deletes everything of the sandbox. Destroying one that is gone answers `destroyed: false`. With `running` no daemon is
 * started for it.
 */
export async function destroy(
  target: Target,
  options?: CallOptions & { readonly running?: boolean },
): Promise<DestroyResult> {
  const running = options?.running ?? false;
  const operation = "sandboxes.destroy";
  const call = callOf(target, { method: "DELETE", path: "", operation, idempotent: true, running }, options);
  try {
    return await target.client.json<DestroyResultDocument>(call);
  } catch (error) {
    // The id was real, so a daemon that does not know it any more has already deleted it.
    if (!isSandboxError(error) || error.code !== "SANDBOX_NOT_FOUND") throw error;
    return { destroyed: false, guarantee: "Nothing of the sandbox was left" };
  }
}

/** Sets what may leave the sandbox; connections that the policy does not allow are cut within a second. */
export async function setNetwork(
  target: Target,
  policy: NetworkPolicy | NetworkPolicyDocument,
  options?: CallOptions,
): Promise<SandboxInfo> {
  const json = NetworkPolicy.from(policy).toJSON();
  const call = callOf(
    target,
    { method: "PUT", path: "/network", operation: "sandboxes.network", json, idempotent: true },
    options,
  );
  return sandboxInfo(await target.client.json<SandboxInfoDocument>(call));
}

/** Options for `sandbox.resize`. */
export interface ResizeOptions extends CallOptions {
  /** MiB that its programs may use together from now on: 128 up to the memory of its machine. */
  readonly memoryMb: number;
}

/** Sets what its programs may use together. Throws `BalloonTransientError` where they hold more: nothing has changed then. */
export async function resize(target: Target, options: ResizeOptions): Promise<SandboxInfo> {
  const json: SandboxResize = { memory_mb: validateMemoryMb(options.memoryMb) };
  const call = callOf(
    target,
    {
      method: "POST",
      path: "/resize",
      operation: "sandboxes.resize",
      json,
      idempotent: true,
      patient: () => true,
    },
    options,
  );
  return sandboxInfo(await target.client.json<SandboxInfoDocument>(call));
}

/** Sets the time to live, counted from now; null lifts it where that is allowed. */
export async function setTtl(target: Target, ttlSeconds: number | null, options?: CallOptions): Promise<SandboxInfo> {
  const json: TtlRequest = { ttl_seconds: ttlSeconds === null ? null : validateTtlSeconds(ttlSeconds) };
  const call = callOf(
    target,
    { method: "PUT", path: "/ttl", operation: "sandboxes.ttl", json, idempotent: true },
    options,
  );
  return sandboxInfo(await target.client.json<SandboxInfoDocument>(call));
}
