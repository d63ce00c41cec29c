import type { NetworkPolicyDocument } from "@mvm/protocol";
import { canonicalNetwork } from "./canonical-network.js";
import type { Plan } from "./plan.js";
import type { Policy } from "./policy.js";
import { networkQuestions } from "./questions.js";

/** Whether a running sandbox may have this network policy. @throws {PolicyDenied} naming the rule */
export function admitNetwork(policy: Policy, plan: Plan, wanted: NetworkPolicyDocument): NetworkPolicyDocument {
  const network = canonicalNetwork(wanted);
  policy.permit({ ...plan, network }, networkQuestions(network));
  return network;
}
