import swagger from "@fastify/swagger";
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from "fastify";
import { InvalidArgumentError } from "@mvm/protocol";
import type { Logger } from "../observe/log.js";
import { installJsonBodies } from "./bodies.js";
import { capConnections } from "./connections.js";
import { codeRoutes } from "./code.js";
import type { ApiContext } from "./context.js";
import { installErrorHandlers } from "./errors.js";
import { fileContentRoutes } from "./file-content.js";
import { fileWatchRoutes } from "./file-watch.js";
import { fileRoutes } from "./files.js";
import { hostRoutes } from "./host.js";
import { imageRoutes } from "./images.js";
import { lifecycleRoutes } from "./lifecycle.js";
import { logRoutes } from "./logs.js";
import { observeRoutes } from "./observe.js";
import { packageRoutes } from "./packages.js";
import { policyRoutes } from "./policy.js";
import { portRoutes } from "./ports.js";
import { poolRoutes } from "./pools.js";
import { processControlRoutes, stdinRoutes } from "./process-input.js";
import { processRoutes } from "./processes.js";
import { installLostFilesCheck } from "../sandboxes/lost-files.js";
import { installRecording } from "./recording.js";
import { runRoutes } from "./runs.js";
import { sandboxRoutes } from "./sandboxes.js";
import { snapshotArchiveRoutes } from "./snapshot-archives.js";
import { secretRoutes } from "./secrets.js";
import { snapshotRoutes } from "./snapshots.js";

/** Bytes of a request's head; paths and names are the longest things in it. */
const maxHeadBytes = 64 * 1024;
/** Longest time a request's head may take. Milliseconds. */
const headTimeoutMs = 10_000;
/** How long an unused connection is kept for the next request. Milliseconds. */
const keepAliveMs = 30_000;

const jsonRoutes = [
  sandboxRoutes,
  lifecycleRoutes,
  snapshotRoutes,
  poolRoutes,
  processRoutes,
  processControlRoutes,
  codeRoutes,
  packageRoutes,
  fileRoutes,
  fileWatchRoutes,
  portRoutes,
  logRoutes,
  observeRoutes,
  policyRoutes,
  secretRoutes,
  runRoutes,
  imageRoutes,
  hostRoutes,
];

/** Calls that read their body themselves; each group in a scope of its own, without the JSON parser. */
const rawRoutes = [fileContentRoutes, stdinRoutes, snapshotArchiveRoutes];

/** The HTTP API of docs/api.md, not listening yet. */
export async function createApi(context: ApiContext, log: Logger): Promise<FastifyInstance> {
  const loggerInstance: FastifyBaseLogger = log;
  const app = fastify({
    loggerInstance,
    // Lines about requests would hold paths of the guest; what matters is logged by the verbs.
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    keepAliveTimeout: keepAliveMs,
    http: { maxHeaderSize: maxHeadBytes, headersTimeout: headTimeoutMs, connectionsCheckingInterval: 2_000 },
    routerOptions: { maxParamLength: 512 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
    clientErrorHandler(_error, socket) {
      if (!socket.writable) return socket.destroy();
      const error = new InvalidArgumentError({ message: "Cannot read the request: it is not HTTP/1.1" });
      const body = JSON.stringify(error.toDocument());
      const length = Buffer.byteLength(body);
      socket.end(
        `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`,
      );
    },
  });
  // Answers are built with their types; what a schema does not know must not be dropped on the way.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.decorate("protectedValues", context.services.protectedValues);
  installErrorHandlers(app);
  capConnections(app.server);
  installRecording(app, context.services.evidence, context.services.registry);
  installLostFilesCheck(app, context.services);
  await app.register(swagger, { openapi: { info: { title: "mvm daemon", version: context.version } } });
  await app.register((scope, _options, done) => {
    installJsonBodies(scope);
    for (const routes of jsonRoutes) routes(scope, context);
    scope.get("/v1/openapi.json", { schema: { hide: true } }, () => app.swagger());
    done();
  });
  for (const routes of rawRoutes) {
    await app.register((scope, _options, done) => {
      routes(scope, context);
      done();
    });
  }
  await app.ready();
  return app;
}
