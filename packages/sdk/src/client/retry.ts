import { setTimeout as sleep } from "node:timers/promises";
import { isSandboxError } from "@mvm/protocol";

/** Tries after the first, and the longest pause before each: the pause is a random part of it. Milliseconds. */
const pausesMs = [200, 800];

/**
 * Makes a call again when it failed for a passing reason and nothing of it has happened. Pauses grow and are random, so that
 * callers that failed together do not return together. A full host is not tried again: that call has waited already.
 */
export async function retryTransient<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const pauseMs of pausesMs) {
    try {
      return await call();
    } catch (error) {
      const again = isSandboxError(error) && error.transient && error.outcome === "not_started";
      if (!again || error.code === "VM_CAPACITY") throw error;
      await sleep(Math.random() * pauseMs, undefined, { ...(signal && { signal }) }).catch(() => {
        throw signal?.reason;
      });
    }
  }
  return await call();
}
