import { invalid, isSandboxError, limits } from "@mvm/protocol";

/** Header under which the daemon remembers the answer to a request. */
export const idempotencyHeader = "idempotency-key";

/** A fresh key. */
export function newIdempotencyKey(): string {
  return globalThis.crypto.randomUUID();
}

/** The caller's key, checked: 1 to 128 visible ASCII characters. */
export function validateIdempotencyKey(key: unknown): string {
  if (typeof key === "string" && key.length <= limits.idempotencyKeyLength && /^[!-~]+$/.test(key)) return key;
  throw invalid("idempotency key", key, `1 to ${limits.idempotencyKeyLength} visible ASCII characters`);
}

/** Runs a call that carries a key once more when its answer was lost: the daemon repeats its answer, not its work. */
export async function retryOnce<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!isSandboxError(error) || error.boundary !== "transport" || error.retry !== "safe") throw error;
    return await call();
  }
}
