import type { NetworkPolicyDocument } from "@mvm/protocol";
import { admitNetwork } from "../admission/network.js";
import { changing } from "./changing.js";
import { persist } from "./persist.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";
import { requireLive } from "./state.js";

/**
 * Gives a running sandbox another network policy. Written down first, so that no later daemon is more generous; then it
 * decides, and connections it does not allow are cut; the guest hears of it last.
 * @throws {PolicyDenied} the profile allows no network, or a rule forbids one of its hosts
 * @throws {SandboxUnavailable} it does not run
 */
export async function setNetwork(services: Services, sandbox: Sandbox, wanted: NetworkPolicyDocument): Promise<void> {
  const network = admitNetwork(await services.policy.current(), sandbox.plan, wanted);
  // While it is captured its file system is frozen, and the guest could not write down who resolves its names.
  await changing(sandbox, async () => {
    const live = requireLive(sandbox, "set the network of");
    sandbox.network = network;
    persist(sandbox);
    sandbox.logs.event("network", { rules: network.allow.length });
    await live.egress.setPolicy(network);
  });
}
