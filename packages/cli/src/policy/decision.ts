import type { PolicyCheckRequest, PolicyDecision } from "@mvm/protocol";
import type { Context } from "../output/context.js";
import { printable } from "../render/escape.js";
import { facts } from "../render/facts.js";

/** Exit code of a request that policy refuses. */
export const deniedExit = 77;

/** Asks whether a create with this request would be admitted. Starts no machine. */
export async function decide(request: PolicyCheckRequest, context: Context): Promise<PolicyDecision> {
  const daemon = await context.daemon();
  return daemon.call({ method: "POST", path: "/policy/check", operation: "policy.check", json: request });
}

/** Shows whether a create with this request would be admitted, and the plan with its hash. */
export async function showDecision(request: PolicyCheckRequest, context: Context): Promise<number> {
  const decision = await decide(request, context);
  await context.out.result(decision, () =>
    context.quiet ? verdict(decision) : [verdict(decision), decisionFacts(decision)].join("\n"),
  );
  return decision.admitted ? 0 : deniedExit;
}

/** Who decided, in a sentence. */
export function verdict({ admitted, rules, denied }: PolicyDecision): string {
  if (denied === null) return `${admitted ? "admitted" : "refused"} by ${rules.join(", ")}`;
  return `refused by ${denied.rule} (${denied.boundary}): ${printable(denied.message)}\n  hint: ${printable(denied.hint)}`;
}

/** The plan and the hashes. */
export function decisionFacts({ plan, plan_sha256, policy_sha256 }: PolicyDecision): string {
  return facts({ plan_sha256, policy_sha256, plan });
}
