import type { FastifyInstance } from "fastify";
import type { PolicyCheckRequest } from "@mvm/protocol";
import { PolicyCheckRequestSchema, PolicyDecisionSchema, PolicyInfoSchema } from "@mvm/protocol/schemas";
import { dryRun } from "../admission/dry-run.js";
import { questionsOfForward } from "../ports/forward.js";
import { policyInfo } from "../policy/policy-info.js";
import type { ApiContext } from "./context.js";
import { admissionFacts } from "./sandboxes.js";

/** The policy in force, and what it would say. */
export function policyRoutes(app: FastifyInstance, { services }: ApiContext): void {
  app.get("/v1/policy", { schema: { response: { 200: PolicyInfoSchema } } }, () => policyInfo(services.policy));
  app.post<{ Body: PolicyCheckRequest }>(
    "/v1/policy/check",
    { schema: { body: PolicyCheckRequestSchema, response: { 200: PolicyDecisionSchema } } },
    async (request) => {
      const { ports = [], ...create } = request.body;
      const forwards = ports.flatMap(questionsOfForward);
      return dryRun(create, forwards, await admissionFacts(request, services));
    },
  );
}
