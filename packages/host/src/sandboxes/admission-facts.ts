import type { AdmissionFacts } from "../admission/admit.js";
import { sharableDirectory } from "../shares/sharable-directory.js";
import type { Services } from "./services.js";

/**
 * What admission needs to know about the caller and the host, as it is now.
 * @param acknowledgedPermissive the caller set MVM_ACK_PERMISSIVE_RUN=1
 * @throws {PolicyDenied} code POLICY_BROKEN
 */
export async function gatherFacts(services: Services, acknowledgedPermissive: boolean): Promise<AdmissionFacts> {
  return {
    backends: services.backends,
    policy: await services.policy.current(),
    sandboxes: services.registry.size,
    acknowledgedPermissive,
    secret: (name) => services.secrets.find(name),
    digestOf: (image) => services.images.digestOf(image),
    directory: (host) => sharableDirectory(host, services.home.root),
  };
}
