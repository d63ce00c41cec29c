import type { FastifyInstance } from "fastify";
import { toSandboxError } from "@mvm/protocol";
import { SandboxRefSchema, SnapshotImportedSchema, SnapshotImportQuerySchema } from "@mvm/protocol/schemas";
import { prepareExport } from "../snapshots/archive/export.js";
import { importSnapshot } from "../snapshots/archive/import.js";
import { installRawBodies } from "./bodies.js";
import type { ApiContext } from "./context.js";
import { sendError } from "./errors.js";

type Ref = { Params: { ref: string } };

/** Header with the digest of the archive that follows. */
const digestHeader = "x-mvm-digest";

/** Snapshots as archives: for other hosts, and from them. */
export function snapshotArchiveRoutes(app: FastifyInstance, { services }: ApiContext): void {
  installRawBodies(app);

  app.get<Ref>("/v1/snapshots/:ref/export", { schema: { params: SandboxRefSchema } }, async (request, reply) => {
    reply.hijack();
    const { raw } = reply;
    raw.on("error", () => undefined);
    const gone = new AbortController();
    raw.once("close", () => gone.abort());
    try {
      const prepared = await prepareExport(services, request.params.ref, gone.signal);
      try {
        raw.writeHead(200, { "content-type": "application/x-tar", [digestHeader]: prepared.digest });
        await prepared.write(raw);
      } finally {
        prepared.release();
      }
    } catch (error) {
      // An archive that breaks off visibly never passes for whole.
      if (raw.headersSent) raw.destroy();
      else if (!gone.signal.aborted) {
        sendError(raw, toSandboxError(error, { dispatched: false, operation: "snapshots.export" }), request);
      }
    }
  });

  app.post<{ Querystring: { name?: string; key?: string } }>(
    "/v1/snapshots/import",
    {
      config: { rawBody: true },
      schema: { querystring: SnapshotImportQuerySchema, response: { 200: SnapshotImportedSchema } },
    },
    async (request, reply) => {
      const { name, key } = request.query;
      const gone = new AbortController();
      reply.raw.once("close", () => gone.abort(new Error("the client is gone")));
      return await importSnapshot(services, request.raw, { name, key, signal: gone.signal });
    },
  );
}
