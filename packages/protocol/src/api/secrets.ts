import { type Static, Type } from "@sinclair/typebox";
import { count, nullable, strict, time } from "./shapes.js";

const host = Type.String({ minLength: 1, maxLength: 255 });

export const SecretNameSchema = Type.Object({ name: Type.String({ minLength: 1, maxLength: 128 }) }, strict);

/** Body of `PUT /v1/secrets/:name`. No call ever gives the value back. */
export const SecretPutBodySchema = Type.Object(
  {
    value: Type.String({ maxLength: 64 * 1024 }),
    /** Hosts the value may be sent to; `*.name` is one label or more below it. None: it can be given to no sandbox. */
    hosts: Type.Optional(Type.Array(host, { maxItems: 64 })),
    /** The only header it may stand in. */
    header: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  },
  strict,
);
export type SecretPutBody = Static<typeof SecretPutBodySchema>;

/** What can be known of a stored secret. */
export const SecretInfoSchema = Type.Object(
  {
    name: Type.String(),
    hosts: Type.Array(Type.String()),
    header: nullable(Type.String()),
    created_at: time,
    updated_at: time,
  },
  strict,
);
export type SecretInfo = Static<typeof SecretInfoSchema>;

export const SecretListSchema = Type.Object({ secrets: Type.Array(SecretInfoSchema) }, strict);
export type SecretList = Static<typeof SecretListSchema>;
export const SecretRemovedSchema = Type.Object({ removed: Type.Boolean() }, strict);
export const SecretsRotatedSchema = Type.Object({ rotated: count }, strict);
