import type { FastifyInstance } from "fastify";
import type { PoolRequest } from "@mvm/protocol";
import { PoolInfoSchema, PoolListSchema, PoolRequestSchema } from "@mvm/protocol/schemas";
import type { ApiContext } from "./context.js";

/** Machines that wait for sandboxes. */
export function poolRoutes(app: FastifyInstance, { services }: ApiContext): void {
  app.get("/v1/pools", { schema: { response: { 200: PoolListSchema } } }, () => ({ pools: services.pools.list() }));

  app.post<{ Body: PoolRequest }>(
    "/v1/pools",
    { schema: { body: PoolRequestSchema, response: { 200: PoolInfoSchema } } },
    (request) => services.pools.set(request.body),
  );
}
