import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

/** Tells the reaper how long a detached sandbox's machine may live without a daemon. Does nothing for an attached one. */
export function outliveDaemon({ reaper }: Services, { detached, identity, expiry }: Sandbox): void {
  if (!detached || identity === null) return;
  if (expiry === null) reaper.remove(identity);
  else reaper.outlive(identity, expiry.atUptimeMs);
}
