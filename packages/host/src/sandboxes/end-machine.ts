import { CleanupError } from "@mvm/protocol";
import { killIfSame } from "../processes/identity.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

/** How long a killed machine may take to be gone before its process is killed by number. Milliseconds. */
const killPatienceMs = 5_000;

/**
 * Takes a sandbox's machine down: session closed, process gone, off the reaper's list, room for others. Pending calls are
 * rejected by the session. Does nothing when there is no machine.
 * @throws {CleanupError} a process is still there
 */
export async function endMachine(services: Services, sandbox: Sandbox): Promise<void> {
  const { live, identity } = sandbox;
  if (live === null) return;
  sandbox.live = null;
  sandbox.processes.close();
  sandbox.ports.close();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), killPatienceMs)));
  const killed = live.machine.kill().then(() => true);
  live.session.close();
  const gone = await Promise.race([killed.catch(() => false), late]);
  clearTimeout(timer);
  if (!gone && identity !== null && killIfSame(identity)) {
    const ended = await Promise.race([live.machine.exited.then(() => true), delay(1_000).then(() => false)]);
    if (!ended) {
      throw new CleanupError({
        message: `Cannot end the machine of sandbox "${sandbox.id}": its process does not die`,
        sandboxId: sandbox.id,
        context: { pid: identity.pid },
      });
    }
  }
  if (identity !== null) services.reaper.remove(identity);
  services.queue.pump();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
