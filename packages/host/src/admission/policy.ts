import { type Profile, PolicyDenied } from "@mvm/protocol";
import type { Cedar } from "./cedar.js";
import { lowest, type Ceilings } from "./ceilings.js";
import { readLimits } from "./limits-file.js";
import { canonicalSha256 } from "./plan-document.js";
import { planEntity } from "./plan-entity.js";
import type { Plan } from "./plan.js";
import type { PolicyProblem, PolicySource } from "./policy-source.js";
import { notPermitted, type Question, wordsFor } from "./questions.js";
import { readRules, validateRules, type Rule } from "./rules.js";

export interface PolicySources {
  readonly schema: string;
  readonly builtIn: readonly PolicySource[];
  /** The operator's Cedar files. */
  readonly operator: readonly PolicySource[];
  /** The operator's limits.toml files. */
  readonly limits: readonly PolicySource[];
  readonly host: Ceilings;
}

const profiles = ["restrictive", "standard", "dev", "permissive"] as const satisfies readonly Profile[];

/** The rules and ceilings in force. Deciding is pure: the same plan gets the same answer. */
export class Policy {
  private constructor(
    private readonly cedar: Cedar,
    /** sha256 in hex over schema, rules and ceilings. */
    readonly sha256: string,
    readonly rules: readonly Rule[],
    readonly ceilings: Ceilings,
  ) {}

  /** The policy those sources are, or everything that is wrong with them. */
  static compile(cedar: Cedar, sources: PolicySources): Policy | readonly PolicyProblem[] {
    const { schema, builtIn, operator, limits, host } = sources;
    const read = [
      ...builtIn.map((source) => readRules(cedar, source, true)),
      ...operator.map((source) => readRules(cedar, source, false)),
    ];
    const rules = read.flatMap((file) => file.rules);
    const numbers = limits.map(readLimits);
    const problems = [
      ...read.flatMap((file) => file.problems),
      ...validateRules(cedar, schema, rules, [...builtIn, ...operator]),
      ...numbers.flatMap((file) => file.problems),
    ];
    if (problems.length > 0) return problems;
    const ceilings = lowest(host, ...numbers.map((file) => file.ceilings));
    const staticPolicies = Object.fromEntries(rules.map(({ id, text }) => [id, text]));
    const shown = { ...ceilings, sandboxes: Number.isFinite(ceilings.sandboxes) ? ceilings.sandboxes : null };
    const sha256 = canonicalSha256({ schema, rules: staticPolicies, ceilings: shown });
    for (const parsed of [cedar.preparseSchema(sha256, schema), cedar.preparsePolicySet(sha256, { staticPolicies })]) {
      if (parsed.type === "success") continue;
      return [{ file: "schema", line: null, column: null, problem: parsed.errors[0]?.message ?? "it is not valid" }];
    }
    return new Policy(cedar, sha256, rules, ceilings);
  }

  /**
   * Asks for everything; the rules that permit it, in the order of the questions.
   * @throws {PolicyDenied} the first refusal, naming its rule
   */
  permit(plan: Plan, questions: readonly Question[]): string[] {
    const whole = [planEntity(plan)];
    // A long list of rules in each of as many questions would take its square.
    const short = [planEntity({ ...plan, network: { default: "deny", allow: [] } })];
    const permitting = questions.flatMap((question) =>
      this.ask(plan, question, question.capability === "start" ? whole : short),
    );
    return [...new Set(permitting)];
  }

  /** Whether a rule forbids it or none permits it. */
  permits(plan: Plan, question: Question): boolean {
    try {
      this.permit(plan, [question]);
      return true;
    } catch (error) {
      if (error instanceof PolicyDenied) return false;
      throw error;
    }
  }

  private ask(plan: Plan, { capability, context }: Question, entities: ReturnType<typeof planEntity>[]): string[] {
    const answer = this.cedar.statefulIsAuthorized({
      principal: { type: "Profile", id: plan.profile },
      action: { type: "Action", id: capability },
      resource: { type: "Plan", id: "plan" },
      context: context as Record<string, boolean | number | string | string[]>,
      entities,
      ...{ preparsedSchemaName: this.sha256, preparsedPolicySetId: this.sha256, validateRequest: true },
    });
    const what = wordsFor(capability);
    // Cedar leaves out a rule that fails while it is evaluated. One that should forbid must not be left out.
    if (answer.type === "failure" || answer.response.diagnostics.errors.length > 0) {
      const failed = answer.type === "failure" ? undefined : answer.response.diagnostics.errors[0]?.policyId;
      throw new PolicyDenied({
        message: `Cannot give the sandbox ${what}: ${failed === undefined ? "the request" : `rule "${failed}"`} cannot be evaluated`,
        rule: failed ?? "policy.evaluation",
      });
    }
    const { decision, diagnostics } = answer.response;
    const reasons = [...diagnostics.reason].sort();
    if (decision === "allow") return reasons;
    const rule = this.rules.find(({ id }) => id === reasons[0]);
    if (rule === undefined) throw notPermitted(plan.profile, capability, this.wider(capability));
    if (rule.id === "profile.permissive.acknowledge") {
      throw new PolicyDenied({
        code: "POLICY_ACK_REQUIRED",
        message: 'Cannot use profile "permissive": it is not acknowledged',
        rule: rule.id,
      });
    }
    throw new PolicyDenied({
      message: `Cannot give the sandbox ${what}: rule "${rule.id}" forbids it`,
      rule: rule.id,
      ...(rule.hint !== null && { hint: rule.hint }),
      context: { file: rule.path, line: rule.line, profile: plan.profile },
    });
  }

  /** The narrowest profile with a rule for it. */
  private wider(capability: string): Profile | undefined {
    return profiles.find((profile) => this.rules.some(({ id }) => id === `profile.${profile}.${capability}`));
  }
}

/** Why nothing is admitted while the policy is broken. */
export function brokenPolicy([first, ...others]: readonly PolicyProblem[]): PolicyDenied {
  const at = first?.line == null ? "" : ` line ${first.line}`;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return new PolicyDenied({
    code: "POLICY_BROKEN",
    message: `Cannot admit anything: policy file "${first?.file ?? ""}"${at}: ${first?.problem ?? ""}${more}`,
    rule: "policy.broken",
    context: { file: first?.file, line: first?.line, column: first?.column, problems: others.length + 1 },
  });
}
