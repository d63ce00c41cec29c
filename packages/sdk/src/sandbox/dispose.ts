import { CleanupError, isSandboxError } from "@mvm/protocol";
import type { Lease } from "./lease.js";
import { destroy } from "./lifecycle.js";
import type { Target } from "./target.js";

/** Destroys and waits. A failure is a `CleanupError`: `await using` attaches it to an error of the block itself. */
export async function disposeAndWait(target: Target, lease: Lease): Promise<void> {
  try {
    await destroy(target, { running: true });
  } catch (cause) {
    // The daemon that is not there any more took the attached sandboxes with it.
    if (isSandboxError(cause) && cause.code === "DAEMON_UNAVAILABLE") return;
    throw new CleanupError({
      message: `Cannot destroy sandbox "${target.id}": ${cause instanceof Error ? cause.message : String(cause)}`,
      sandboxId: target.id,
      operation: "sandboxes.destroy",
      cause,
    });
  } finally {
    lease.close();
  }
}

/**
 * Destroys without waiting. The request keeps the process alive until it is answered, so that it goes out before a
 * natural exit; on a sudden one the lease ends with the process and does the same.
 */
export function disposeInBackground(target: Target, lease: Lease): void {
  disposeAndWait(target, lease).catch((error: unknown) => {
    process.emitWarning(error as Error);
  });
}

/** Ends leases of handles that nobody holds any more. */
const forgotten = new FinalizationRegistry<{ readonly id: string; readonly lease: Lease }>(({ id, lease }) => {
  if (!lease.held) return;
  lease.close();
  process.emitWarning(`Sandbox ${id} was garbage-collected without being destroyed`, {
    code: "MVM_SANDBOX_LEAKED",
    detail: "Use `await using`, or call `destroy()`, or create it with `detach: true`",
  });
});

/** Makes a lease end when the handle that owns it is collected. */
export function endWithHandle(handle: object, id: string, lease: Lease): void {
  forgotten.register(handle, { id, lease });
}
