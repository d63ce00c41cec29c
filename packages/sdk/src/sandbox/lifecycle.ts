import {
  type DestroyResultDocument,
  isSandboxError,
  type SandboxInfoDocument,
  type TtlRequest,
  validateTtlSeconds,
} from "@mvm/protocol";
import { sandboxInfo, type SandboxInfo } from "./info.js";
import { type CallOptions, callOf, type Target } from "./target.js";

/** What destroying did: whether there was something left, and what the deletion guarantees. */
export type DestroyResult = DestroyResultDocument;

/** The sandbox as it is now. */
export async function status(target: Target, options?: CallOptions): Promise<SandboxInfo> {
  const call = callOf(target, { method: "GET", path: "", operation: "sandboxes.status" }, options);
  return sandboxInfo(await target.client.json<SandboxInfoDocument>(call));
}

/** Ends process and memory and keeps the disk. Stopping a stopped sandbox is no error. */
export async function stop(target: Target, options?: CallOptions): Promise<SandboxInfo> {
  const call = callOf(
    target,
    { method: "POST", path: "/stop", operation: "sandboxes.stop", json: {}, idempotent: true },
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
