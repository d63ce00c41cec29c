import type { FastifyInstance } from "fastify";
import type { PortForwardBody } from "@mvm/protocol";
import {
  PortForwardBodySchema,
  PortInfoSchema,
  PortListSchema,
  PortRefSchema,
  PortRemovedSchema,
  SandboxRefSchema,
} from "@mvm/protocol/schemas";
import { forwardPort, removePort } from "../ports/forward.js";
import type { ApiContext } from "./context.js";

type Ref = { Params: { ref: string } };

/** Forwarded ports of a sandbox. */
export function portRoutes(app: FastifyInstance, { services: { registry, policy } }: ApiContext): void {
  const path = "/v1/sandboxes/:ref/ports";

  app.post<Ref & { Body: PortForwardBody }>(
    path,
    { schema: { params: SandboxRefSchema, body: PortForwardBodySchema, response: { 200: PortInfoSchema } } },
    async (request) =>
      forwardPort(await policy.current(), registry.get(request.params.ref, "forward a port of"), request.body),
  );
  app.get<Ref>(path, { schema: { params: SandboxRefSchema, response: { 200: PortListSchema } } }, (request) => ({
    ports: registry.get(request.params.ref, "list the ports of").ports.list(),
  }));
  app.delete<{ Params: { ref: string; host_port: string } }>(
    `${path}/:host_port`,
    { schema: { params: PortRefSchema, response: { 200: PortRemovedSchema } } },
    (request) => {
      removePort(registry.get(request.params.ref, "remove a port of"), Number(request.params.host_port));
      return { removed: true as const };
    },
  );
}
