import type { FastifyInstance } from "fastify";
import { BootReportSchema, MetricsSchema, SandboxMetricsSchema, SandboxRefSchema } from "@mvm/protocol/schemas";
import { sandboxMetrics } from "../observe/metrics.js";
import { exposition } from "../observe/prometheus.js";
import { runtimeMetrics } from "../observe/runtime-metrics.js";
import { bootReport } from "../sandboxes/boot-report.js";
import type { ApiContext } from "./context.js";

type Ref = { Params: { ref: string } };

/** Numbers of one sandbox, and of everything. */
export function observeRoutes(app: FastifyInstance, { services }: ApiContext): void {
  const { registry } = services;
  app.get("/metrics", { schema: { hide: true } }, async (_request, reply) => {
    const { contentType, text } = await exposition(await runtimeMetrics(services), registry.list());
    return reply.type(contentType).send(text);
  });
  app.get("/v1/metrics", { schema: { response: { 200: MetricsSchema } } }, () => runtimeMetrics(services));
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
