import process from "node:process";
import type { FastifyInstance } from "fastify";
import { SandboxUnavailable, type BackendInfo, type Version } from "@mvm/protocol";
import {
  BackendListSchema,
  DaemonStopRequestSchema,
  DaemonStopResultSchema,
  DoctorQuerySchema,
  DoctorReportSchema,
  GcRequestSchema,
  GcResultSchema,
  VersionSchema,
} from "@mvm/protocol/schemas";
import { Type } from "@sinclair/typebox";
import type { BackendReport } from "../backends/backend.js";
import { doctor } from "../observe/doctor.js";
import { collectGarbage } from "../observe/gc.js";
import type { ApiContext } from "./context.js";

const refreshSchema = { querystring: DoctorQuerySchema } as const;
type Refresh = { Querystring: { refresh?: "true" | "false" } };
const optional = <T extends typeof GcRequestSchema | typeof DaemonStopRequestSchema>(schema: T) =>
  Type.Union([schema, Type.Null()]);

/** The daemon itself and the host it runs on. */
export function hostRoutes(app: FastifyInstance, context: ApiContext): void {
  const { services, version, startedAt } = context;

  app.get("/v1/version", { schema: { response: { 200: VersionSchema } } }, (): Version => {
    return { version, api: "v1", pid: process.pid, started_at: startedAt, home: services.home.root };
  });
  app.get<Refresh>("/v1/doctor", { schema: { ...refreshSchema, response: { 200: DoctorReportSchema } } }, (request) =>
    doctor(services, request.query.refresh === "true"),
  );
  app.get<Refresh>(
    "/v1/backends",
    { schema: { ...refreshSchema, response: { 200: BackendListSchema } } },
    async (request) => {
      const refresh = request.query.refresh === "true";
      const reports = await Promise.all(services.backends.map((backend) => backend.probe({ refresh })));
      return { backends: reports.map(backendInfo) };
    },
  );
  app.post<{ Body: { dry_run?: boolean } | null }>(
    "/v1/gc",
    { schema: { body: optional(GcRequestSchema), response: { 200: GcResultSchema } } },
    (request) => collectGarbage(services, request.body?.dry_run ?? false),
  );
  app.post<{ Body: { force?: boolean } | null }>(
    "/v1/daemon/stop",
    { schema: { body: optional(DaemonStopRequestSchema), response: { 200: DaemonStopResultSchema } } },
    (request) => {
      const running = services.registry
        .list()
        .filter(({ state }) => state === "running" || state === "creating").length;
      if (running > 0 && request.body?.force !== true) {
        throw new SandboxUnavailable({
          code: "DAEMON_BUSY",
          message: `Cannot stop the daemon: ${running} sandboxes are running`,
          context: { running },
        });
      }
      setImmediate(context.stop);
      return { stopping: true as const };
    },
  );
}

function backendInfo(report: BackendReport): BackendInfo {
  const { kvm, tcg } = report.accelerators;
  const features: Record<string, string> = {};
  for (const { layer, active, reason } of report.confinement)
    features[`confinement.${layer}`] = `${active ? "yes" : "no"}: ${reason}`;
  for (const [name, value] of Object.entries(report.facts)) features[name] = String(value);
  return {
    name: report.name,
    available: report.available,
    detail: report.problems.join("; "),
    accels: [
      { name: "kvm", usable: kvm.usable, detail: kvm.reason },
      { name: "tcg", usable: tcg.usable, detail: tcg.reason },
    ],
    isolation: kvm.usable ? "hardware" : "emulated",
    features,
  };
}
