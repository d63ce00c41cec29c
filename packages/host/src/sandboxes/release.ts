import { destroySandbox } from "./destroy.js";
import type { Services } from "./services.js";

/**
 * The end of a daemon: attached sandboxes are destroyed, detached ones keep running without it. Waits no longer than the
 * deadline; what is not done by then is done by the reaper and by the next daemon's recovery.
 */
export async function releaseAll(services: Services, deadlineMs: number): Promise<void> {
  const work: Promise<unknown>[] = [];
  for (const sandbox of services.registry.list()) {
    for (const timer of sandbox.timers.splice(0)) timer.cancel();
    sandbox.idleTimer?.cancel();
    if (sandbox.detached && sandbox.starting === null && sandbox.destroying === null) {
      const { live } = sandbox;
      if (live === null) continue;
      // Without a machine of record the death of the session must not look like a failure.
      sandbox.live = null;
      sandbox.ports.close();
      live.session.close();
      live.machine.release();
    } else {
      work.push(destroySandbox(services, sandbox, "daemon_lost").catch(() => undefined));
    }
  }
  work.push(services.tasks.settled());
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, deadlineMs)));
  await Promise.race([Promise.all(work), late]);
  clearTimeout(timer);
}
