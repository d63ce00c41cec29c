import type { FastifyInstance } from "fastify";
import type { SecretPutBody } from "@mvm/protocol";
import {
  SecretInfoSchema,
  SecretListSchema,
  SecretNameSchema,
  SecretPutBodySchema,
  SecretRemovedSchema,
  SecretsRotatedSchema,
} from "@mvm/protocol/schemas";
import type { ApiContext } from "./context.js";

type Named = { Params: { name: string } };

/** The secret store. Values go in; nothing here gives one back. */
export function secretRoutes(app: FastifyInstance, { services }: ApiContext): void {
  const { secrets, protectedValues, registry } = services;
  app.get("/v1/secrets", { schema: { response: { 200: SecretListSchema } } }, () => ({ secrets: secrets.list() }));
  app.put<Named & { Body: SecretPutBody }>(
    "/v1/secrets/:name",
    { schema: { params: SecretNameSchema, body: SecretPutBodySchema, response: { 200: SecretInfoSchema } } },
    (request) => {
      const { name } = request.params;
      const { value } = request.body;
      // Before it is looked at: what is wrong with a value is said without it.
      protectedValues.add([value]);
      const stored = secrets.put(name, request.body);
      // Sandboxes that have the name have the new value from now on.
      for (const { plan, logs } of registry.list()) {
        if (Object.values(plan.secrets).some(({ secret }) => secret === name)) logs.redactor.protect([value]);
      }
      return stored;
    },
  );
  app.delete<Named>(
    "/v1/secrets/:name",
    { schema: { params: SecretNameSchema, response: { 200: SecretRemovedSchema } } },
    (request) => ({ removed: secrets.remove(request.params.name) }),
  );
  app.post("/v1/secrets/rotate", { schema: { response: { 200: SecretsRotatedSchema } } }, () => ({
    rotated: secrets.rotate(),
  }));
}
