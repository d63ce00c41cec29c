import { destroySandbox } from "./destroy.js";
import { longTimer } from "./long-timer.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

/** A sandbox that is in use when it could end is looked at again after this. Milliseconds. */
const againMs = 1_000;

/**
 * Ends a sandbox nobody has used for as long as its plan says: no call reached its guest and no command in the foreground runs.
 * What runs in the background does not keep it, and one that is paused, cold or stopped is not idle but put away: its time to
 * live ends it. Sets the timer anew; does nothing without an idle time.
 */
export function armIdle(services: Services, sandbox: Sandbox): void {
  sandbox.idleTimer?.cancel();
  sandbox.idleTimer = null;
  const { idleSeconds } = sandbox.plan;
  if (idleSeconds === null) return;
  const look = (): void => {
    if (sandbox.destroying !== null || sandbox.state === "failed") return;
    const left = leftMs(sandbox, idleSeconds);
    if (left <= 0) return services.tasks.run("idle", () => destroySandbox(services, sandbox, "idle"));
    sandbox.idleTimer = longTimer(left, look);
  };
  sandbox.usedAt = performance.now();
  sandbox.idleTimer = longTimer(idleSeconds * 1000, look);
}

function leftMs(sandbox: Sandbox, idleSeconds: number): number {
  const busy = sandbox.state !== "running" || sandbox.processes.running().some(({ background }) => !background);
  if (busy) sandbox.usedAt = performance.now();
  const left = sandbox.usedAt + idleSeconds * 1000 - performance.now();
  return busy ? Math.max(againMs, left) : left;
}
