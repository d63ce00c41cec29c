import type { FastifyInstance } from "fastify";
import type { PackagesRequest } from "@mvm/protocol";
import { PackagesRequestSchema, SandboxRefSchema } from "@mvm/protocol/schemas";
import { installInSandbox } from "../packages/install.js";
import type { ApiContext } from "./context.js";
import { streamEvents } from "./event-stream.js";

/** Packages in a running sandbox. */
export function packageRoutes(app: FastifyInstance, { services }: ApiContext): void {
  app.post<{ Params: { ref: string }; Body: PackagesRequest }>(
    "/v1/sandboxes/:ref/packages",
    { schema: { params: SandboxRefSchema, body: PackagesRequestSchema } },
    (request, reply) =>
      streamEvents(request, reply, "packages.install", async (stream) => {
        const sandbox = services.registry.get(request.params.ref, "install packages in");
        const result = await installInSandbox(services, sandbox, request.body, {
          signal: stream.signal,
          onOutput: (data, event) => {
            if (request.body.stream !== true) return;
            return stream.send({ event, data: data.toString("base64") }) ? undefined : stream.drained();
          },
        });
        stream.send({ event: "end", result });
      }),
  );
}
