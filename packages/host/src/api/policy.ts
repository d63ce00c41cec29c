import type { FastifyInstance } from "fastify";
import type { CreateRequest } from "@mvm/protocol";
import { CreateRequestSchema, PolicyDecisionSchema, PolicyInfoSchema } from "@mvm/protocol/schemas";
import { dryRun } from "../admission/dry-run.js";
import { policyInfo } from "../policy/policy-info.js";
import type { ApiContext } from "./context.js";
import { admissionFacts } from "./sandboxes.js";

/** The policy in force, and what it would say. */
export function policyRoutes(app: FastifyInstance, { services }: ApiContext): void {
  app.get("/v1/policy", { schema: { response: { 200: PolicyInfoSchema } } }, () => policyInfo(services.policy));
  app.post<{ Body: CreateRequest }>(
    "/v1/policy/check",
    { schema: { body: CreateRequestSchema, response: { 200: PolicyDecisionSchema } } },
    async (request) => await dryRun(request.body, await admissionFacts(request, services)),
  );
}
