import type { CreateRequest, PolicyDecision } from "@mvm/protocol";
import type { Context } from "../output/context.js";
import { printable } from "../render/escape.js";
import { facts } from "../render/facts.js";

/** Exit code of a request that policy refuses. */
const deniedExit = 77;

/** Asks whether a create with this request would be admitted, and shows the plan with its hash. Starts no machine. */
export async function showDecision(request: CreateRequest, context: Context): Promise<number> {
  const daemon = await context.daemon();
  const call = { method: "POST", path: "/policy/check", operation: "policy.check", json: request } as const;
  const decision = await daemon.call<PolicyDecision>(call);
  await context.out.result(decision, () => (context.quiet ? verdict(decision) : text(decision)));
  return decision.admitted ? 0 : deniedExit;
}

function verdict({ admitted, rules, denied }: PolicyDecision): string {
  if (denied === null) return `${admitted ? "admitted" : "refused"} by ${rules.join(", ")}`;
  return `refused by ${denied.rule} (${denied.boundary}): ${printable(denied.message)}\n  hint: ${printable(denied.hint)}`;
}

function text(decision: PolicyDecision): string {
  const { plan, plan_sha256, policy_sha256 } = decision;
  return [verdict(decision), facts({ plan_sha256, policy_sha256, plan })].join("\n");
}
