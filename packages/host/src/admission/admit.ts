import {
  type CreateRequest,
  PolicyDenied,
  validateEnv,
  validateImage,
  validateName,
  validateTags,
} from "@mvm/protocol";
import type { Backend } from "../backends/backend.js";
import { checkCapabilities, checkLifetime, unknownBackend } from "./capabilities.js";
import { checkCeilings, checkCount } from "./ceilings.js";
import { placeMounts } from "./mounts.js";
import { planSha256 } from "./plan-document.js";
import { defaultImageName, planOf, type Plan } from "./plan.js";
import type { Policy } from "./policy.js";
import { questionsOf } from "./questions.js";
import { bindSecrets, type SecretBinding } from "./secrets.js";

export interface AdmissionFacts {
  readonly backends: readonly Backend[];
  /** The policy in force at the time of the request. */
  readonly policy: Policy;
  /** Sandboxes of this state root that have not ended. */
  readonly sandboxes: number;
  /** The caller set MVM_ACK_PERMISSIVE_RUN=1. */
  readonly acknowledgedPermissive: boolean;
  /** Where a stored secret may go; undefined: there is none. */
  readonly secret: (name: string) => SecretBinding | undefined;
  /** The digest an image's name stands for; null when it has not been built. */
  readonly digestOf: (image: string) => Promise<string | null>;
  /** The real name of a host directory that can be shared. @throws {InvalidArgumentError | PolicyDenied} */
  readonly directory: (host: string) => Promise<string>;
}

/**
 * A plan that policy has admitted. There is no other way to make one than {@link admit}, and no machine starts without one.
 */
export class Admitted {
  private constructor(
    readonly plan: Plan,
    readonly backend: Backend,
    private readonly facts: AdmissionFacts,
    /** Ids of the rules that permit it. */
    readonly rules: readonly string[],
    /** sha256 in hex of the plan's canonical JSON. */
    readonly planSha256: string,
  ) {}

  /** @throws {PolicyDenied} its context names the hash of the refused plan */
  static decide(wanted: Plan, backend: Backend, facts: AdmissionFacts): Admitted {
    let sha256 = planSha256(wanted);
    try {
      const permit = (plan: Plan): string[] =>
        facts.policy.permit(plan, questionsOf(plan, facts.acknowledgedPermissive));
      // Who may have no secrets does not learn which there are.
      const first = permit(wanted);
      const plan = bindSecrets(wanted, facts.secret);
      if (plan !== wanted) sha256 = planSha256(plan);
      const rules = plan === wanted ? first : permit(plan);
      checkCeilings(plan, facts.policy.ceilings);
      return new Admitted(plan, backend, facts, rules, sha256);
    } catch (error) {
      throw error instanceof PolicyDenied ? withPlan(error, sha256) : error;
    }
  }

  get policySha256(): string {
    return this.facts.policy.sha256;
  }

  /**
   * The same for the image that is really there. Its digest was unknown when it had not been built, and may have changed since.
   * @param sandboxes how many there are now, right before this one is added
   * @throws {PolicyDenied}
   */
  settle(imageDigest: string, sandboxes: number): Admitted {
    checkCount(sandboxes, this.facts.policy.ceilings);
    if (imageDigest === this.plan.imageDigest) return this;
    return Admitted.decide({ ...this.plan, imageDigest }, this.backend, this.facts);
  }
}

/**
 * Turns a request into a plan and admits or refuses it as a whole, before anything is started: arguments first, then
 * policy, then what the backend can do here.
 * @throws {InvalidArgumentError | PolicyDenied | BackendUnsupported}
 */
export async function admit(request: CreateRequest, facts: AdmissionFacts): Promise<Admitted> {
  const admitted = await admitByPolicy(request, facts);
  const { plan, backend } = admitted;
  checkCount(facts.sandboxes, facts.policy.ceilings);
  // Probing takes a process start the first time; without a special wish the backend's own start reports what is wrong.
  if (plan.requireHardware || plan.accel !== "auto") checkCapabilities(plan, await backend.probe());
  return admitted;
}

/** The plan of a request on this host. @throws {InvalidArgumentError | PolicyDenied} a directory that cannot be shared */
export async function planFor(
  request: CreateRequest,
  facts: Pick<AdmissionFacts, "digestOf" | "directory">,
): Promise<Plan> {
  const plan = planOf(request, await facts.digestOf(request.image ?? defaultImageName));
  return plan.mounts.length === 0 ? plan : { ...plan, mounts: await placeMounts(plan.mounts, facts.directory) };
}

async function admitByPolicy(request: CreateRequest, facts: AdmissionFacts): Promise<Admitted> {
  validateImage(request.image ?? defaultImageName);
  const plan = await planFor(request, facts);
  if (plan.name !== null) validateName(plan.name);
  validateEnv(plan.env);
  validateTags(plan.tags);
  checkLifetime(plan);
  const backend = facts.backends.find(({ name }) => name === plan.backend);
  if (backend === undefined) {
    throw unknownBackend(
      plan.backend,
      facts.backends.map(({ name }) => name),
    );
  }
  return Admitted.decide(plan, backend, facts);
}

function withPlan(error: PolicyDenied, sha256: string): PolicyDenied {
  const { code, message, hint, boundary, rule, context } = error;
  return new PolicyDenied({ code, message, hint, boundary, rule, context: { ...context, plan_sha256: sha256 } });
}
