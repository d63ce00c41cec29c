import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { toSandboxError } from "@mvm/protocol";
import {
  SandboxRefSchema,
  SnapshotImportedSchema,
  SnapshotImportQuerySchema,
  TemplateImportedSchema,
  TemplateImportQuerySchema,
} from "@mvm/protocol/schemas";
import { prepareExport } from "../snapshots/archive/export-snapshot.js";
import { prepareTemplateExport } from "../snapshots/archive/export-template.js";
import { importSnapshot } from "../snapshots/archive/import-snapshot.js";
import { importTemplate } from "../snapshots/archive/import-template.js";
import type { PreparedArchive } from "../snapshots/archive/write.js";
import { installRawBodies } from "./bodies.js";
import type { ApiContext } from "./context.js";
import { sendError } from "./errors.js";

type Ref = { Params: { ref: string } };

/** Header with the digest of the archive that follows. */
const digestHeader = "x-mvm-digest";

/** Snapshots and templates as archives: for other hosts, and from them. */
export function snapshotArchiveRoutes(app: FastifyInstance, { services }: ApiContext): void {
  installRawBodies(app);

  app.get<Ref>("/v1/snapshots/:ref/export", { schema: { params: SandboxRefSchema } }, async (request, reply) => {
    await sendArchive(request, reply, "snapshots.export", async (signal, send) => {
      const prepared = await prepareExport(services, request.params.ref, signal);
      try {
        await send(prepared);
      } finally {
        prepared.release();
      }
    });
  });

  app.get<Ref>("/v1/templates/:ref/export", async (request, reply) => {
    await sendArchive(request, reply, "templates.export", async (signal, send) => {
      await send(await prepareTemplateExport(services, request.params.ref, signal));
    });
  });

  app.post<{ Querystring: { name?: string; key?: string } }>(
    "/v1/snapshots/import",
    {
      config: { rawBody: true },
      schema: { querystring: SnapshotImportQuerySchema, response: { 200: SnapshotImportedSchema } },
    },
    async (request, reply) => {
      const { name, key } = request.query;
      return await importSnapshot(services, request.raw, { name, key, signal: goneSignal(reply) });
    },
  );

  app.post<{ Querystring: { key?: string } }>(
    "/v1/templates/import",
    {
      config: { rawBody: true },
      schema: { querystring: TemplateImportQuerySchema, response: { 200: TemplateImportedSchema } },
    },
    async (request, reply) => {
      const { key } = request.query;
      return await importTemplate(services, request.raw, { key, signal: goneSignal(reply) });
    },
  );
}

async function sendArchive(
  request: FastifyRequest,
  reply: FastifyReply,
  operation: string,
  work: (signal: AbortSignal, send: (prepared: PreparedArchive) => Promise<void>) => Promise<void>,
): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  raw.on("error", () => undefined);
  const signal = goneSignal(reply);
  try {
    await work(signal, async (prepared) => {
      raw.writeHead(200, { "content-type": "application/x-tar", [digestHeader]: prepared.digest });
      await prepared.write(raw);
    });
  } catch (error) {
    // An archive that breaks off visibly never passes for whole.
    if (raw.headersSent) raw.destroy();
    else if (!signal.aborted) sendError(raw, toSandboxError(error, { dispatched: false, operation }), request);
  }
}

/** Aborted when the client goes away, also before its answer. */
function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once("close", () => gone.abort(new Error("the client is gone")));
  return gone.signal;
}
