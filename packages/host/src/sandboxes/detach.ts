import type { DetachRequest } from "@mvm/protocol";
import type { Ceilings } from "../admission/ceilings.js";
import { fault } from "../observe/fault.js";
import { writeFileAtomic } from "../store/atomic.js";
import { persist } from "./persist.js";
import { outliveDaemon } from "./outlive.js";
import type { Sandbox } from "./sandbox.js";
import { savedEnv } from "./saved-env.js";
import type { Services } from "./services.js";
import { unavailable } from "./state.js";
import { setTtl } from "./ttl.js";

/**
 * Lets a sandbox outlive its client and this daemon: from now on its time to live ends it. The owner is written down. A
 * sandbox that is detached already gets the new owner and time to live.
 * @throws {SandboxUnavailable} it is starting, or has ended
 * @throws {PolicyDenied} the time to live is above the ceiling; it stays attached
 */
export function detachSandbox(services: Services, sandbox: Sandbox, request: DetachRequest, ceilings: Ceilings): void {
  const gone = sandbox.state === "failed" || sandbox.state === "destroyed" || sandbox.destroying !== null;
  if (gone || sandbox.starting !== null) throw unavailable(sandbox, "detach");
  setTtl(services, sandbox, request.ttl_seconds, ceilings);
  const before = { detached: sandbox.detached, owner: sandbox.owner };
  const env = savedEnv(sandbox);
  if (Object.keys(env).length > 0) writeFileAtomic(sandbox.files.env, JSON.stringify(env));
  sandbox.detached = true;
  sandbox.owner = request.owner ?? sandbox.owner;
  try {
    fault("detach.before-journal");
    // First: a record of a detached sandbox whose machine the reaper has ended would be a lie.
    outliveDaemon(services, sandbox);
    persist(sandbox);
  } catch (error) {
    Object.assign(sandbox, before);
    if (!before.detached && sandbox.identity !== null) services.reaper.add(sandbox.identity);
    throw error;
  }
  fault("detach.after-journal");
  sandbox.logs.event("detached", { owner: sandbox.owner });
  sandbox.events.emit("detached");
}
