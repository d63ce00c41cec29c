import { validateEnv, validateImage, validateName, validateTags, type CreateRequest } from "@mvm/protocol";
import type { Backend } from "../backends/backend.js";
import { checkCapabilities, checkLifetime, unknownBackend } from "./capabilities.js";
import { checkCeilings, type Ceilings } from "./ceilings.js";
import { planOf, type Plan } from "./plan.js";
import { askedFor, checkProfile } from "./profile.js";

export interface AdmissionFacts {
  readonly backends: readonly Backend[];
  readonly ceilings: Ceilings;
  /** The caller set MVM_ACK_PERMISSIVE_RUN=1. */
  readonly acknowledgedPermissive: boolean;
}

/**
 * Turns a request into a plan and admits or refuses it as a whole, before anything is started: arguments first, then
 * policy, then what the backend can do here.
 */
export async function admit(request: CreateRequest, facts: AdmissionFacts): Promise<{ plan: Plan; backend: Backend }> {
  const plan = planOf(request);
  const asked = askedFor(request);
  if (plan.name !== null) validateName(plan.name);
  validateImage(plan.image);
  validateEnv(plan.env);
  validateTags(plan.tags);
  checkLifetime(plan);
  checkProfile(plan.profile, asked, facts.acknowledgedPermissive);
  checkCeilings(plan, facts.ceilings);
  const backend = facts.backends.find(({ name }) => name === plan.backend);
  if (backend === undefined)
    throw unknownBackend(
      plan.backend,
      facts.backends.map(({ name }) => name),
    );
  // Probing takes a process start the first time; without a special wish the backend's own start reports what is wrong.
  if (asked.length > 0 || plan.requireHardware || plan.accel !== "auto") {
    checkCapabilities(plan, asked, await backend.probe());
  }
  return { plan, backend };
}
