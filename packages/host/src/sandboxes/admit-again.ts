import { admit, type Admitted } from "../admission/admit.js";
import { toStateFile } from "./persist.js";
import type { Sandbox } from "./sandbox.js";
import { savedEnv } from "./saved-env.js";
import type { Services } from "./services.js";
import { gatherFacts } from "./admission-facts.js";
import { requestOf } from "../snapshots/restore.js";
import { remainingMs } from "./expiry.js";

/**
 * Admits what a sandbox is made of once more, before a machine is started for it: policy may have become stricter since. Its
 * image is the very one it was created from, its name is its own already.
 * @throws {PolicyDenied | BackendUnsupported}
 */
export async function admitAgain(services: Services, sandbox: Sandbox): Promise<Admitted> {
  const { plan, expiry } = sandbox;
  const facts = await gatherFacts(services, true);
  const request = requestOf(toStateFile(sandbox), plan.accel, savedEnv(sandbox), {
    ...(plan.name !== null && { name: plan.name }),
    detach: sandbox.detached,
    ...(sandbox.owner !== null && { owner: sandbox.owner }),
    ...(expiry !== null && { ttl_seconds: Math.max(1, Math.ceil(remainingMs(expiry) / 1000)) }),
  });
  // It is one of those that are counted.
  return await admit(
    { ...request, accel: plan.accel, mounts: [...plan.mounts] },
    { ...facts, sandboxes: facts.sandboxes - 1 },
  );
}
