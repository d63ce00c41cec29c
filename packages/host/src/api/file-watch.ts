import type { FastifyInstance } from "fastify";
import { FileWatchQuerySchema, SandboxRefSchema } from "@mvm/protocol/schemas";
import { watchFiles } from "../files/watch.js";
import { requireLive } from "../sandboxes/state.js";
import type { ApiContext } from "./context.js";
import { streamEvents } from "./event-stream.js";

interface WatchCall {
  Params: { ref: string };
  Querystring: { path: string; recursive?: "true" | "false" };
}

/** What changes at a path, until the connection ends or the path is gone. */
export function fileWatchRoutes(app: FastifyInstance, { services: { registry } }: ApiContext): void {
  app.get<WatchCall>(
    "/v1/sandboxes/:ref/files/watch",
    { schema: { params: SandboxRefSchema, querystring: FileWatchQuerySchema } },
    (request, reply) =>
      streamEvents(request, reply, "files.watch", async (stream) => {
        const live = requireLive(registry.get(request.params.ref, "watch files of"), "watch files of");
        const { path, recursive } = request.query;
        await watchFiles(live, {
          ...{ path, recursive: recursive === "true", signal: stream.signal },
          onWatching: () => void stream.send({ event: "watching" }),
          onChange: (change) => (stream.send(change) ? undefined : stream.drained()),
        });
      }),
  );
}
