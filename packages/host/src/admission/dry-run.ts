import { type CreateRequest, type PolicyDecision, PolicyDenied } from "@mvm/protocol";
import { admit, type AdmissionFacts, planFor } from "./admit.js";
import { planDocument, planSha256 } from "./plan-document.js";
import type { Question } from "./questions.js";

/**
 * What {@link admit} would say, with the plan it would say it of. Starts nothing.
 * @param later what will be asked of the same plan once it runs
 * @throws {InvalidArgumentError | BackendUnsupported} what is refused for another reason than policy
 */
export async function dryRun(
  request: CreateRequest,
  later: readonly Question[],
  facts: AdmissionFacts,
): Promise<PolicyDecision> {
  const rest = { schema_version: 1, policy_sha256: facts.policy.sha256 } as const;
  try {
    const { plan, rules: first, planSha256: sha256 } = await admit(request, facts);
    const rules = [...new Set([...first, ...facts.policy.permit(plan, later)])];
    return { ...rest, admitted: true, rules, denied: null, plan: planDocument(plan), plan_sha256: sha256 };
  } catch (error) {
    if (!(error instanceof PolicyDenied)) throw error;
    // A directory that cannot be shared is shown as it was asked for.
    const asIs = { digestOf: facts.digestOf, directory: (host: string) => Promise.resolve(host) };
    const plan = await planFor(request, asIs);
    const { code, message, hint, boundary, rule } = error;
    const denied = { code, message, hint, boundary, rule: rule ?? code };
    const refused = { admitted: false, rules: [denied.rule], denied };
    return { ...rest, ...refused, plan: planDocument(plan), plan_sha256: planSha256(plan) };
  }
}
