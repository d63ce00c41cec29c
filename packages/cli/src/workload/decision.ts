import type { PolicyDecision } from "@mvm/protocol";
import { irHash, type Workload } from "@mvm/protocol/workload";
import { policyCheckOf } from "@mvm/protocol/workload-request";
import type { Context } from "../output/context.js";
import { decisionFacts, decide, deniedExit, verdict } from "../policy/decision.js";
import { checkDigest } from "./play.js";

/**
 * Says whether a workload would be admitted, by the same resolution and rules as its start, with the hash of the plan that
 * would then be in force. Starts nothing. Returns the exit code.
 */
export async function showWorkloadDecision(workload: Workload, context: Context): Promise<number> {
  const decision = await decide(policyCheckOf(workload), context);
  checkDigest(workload, decision.plan.image.digest);
  const named = { verdict: word(decision), workload: workload.id, ir_hash: irHash(workload) };
  await context.out.result({ ...decision, ...named }, () => {
    const { plan_sha256, rules } = decision;
    const first = `${named.verdict} workload=${workload.id} plan_sha256=${plan_sha256} ir_hash=${named.ir_hash} rules=${rules.join(",")}`;
    return context.quiet ? first : [first, verdict(decision), decisionFacts(decision)].join("\n");
  });
  return decision.admitted ? 0 : deniedExit;
}

const word = ({ admitted }: PolicyDecision): "ADMITTED" | "REJECTED" => (admitted ? "ADMITTED" : "REJECTED");
