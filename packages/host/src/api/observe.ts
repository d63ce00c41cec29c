import type { FastifyInstance } from "fastify";
import { BootReportSchema, SandboxMetricsSchema, SandboxRefSchema } from "@mvm/protocol/schemas";
import { sandboxMetrics } from "../observe/metrics.js";
import { bootReport } from "../sandboxes/boot-report.js";
import type { ApiContext } from "./context.js";

type Ref = { Params: { ref: string } };

/** Numbers of one sandbox. */
export function observeRoutes(app: FastifyInstance, { services: { registry } }: ApiContext): void {
  app.get<Ref>(
    "/v1/sandboxes/:ref/metrics",
    { schema: { params: SandboxRefSchema, response: { 200: SandboxMetricsSchema } } },
    (request) => sandboxMetrics(registry.get(request.params.ref, "measure")),
  );
  app.get<Ref>(
    "/v1/sandboxes/:ref/boot-report",
    { schema: { params: SandboxRefSchema, response: { 200: BootReportSchema } } },
    (request) => bootReport(registry.get(request.params.ref, "report the start of")),
  );
}
