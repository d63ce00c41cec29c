import { type TSchema, Type } from "@sinclair/typebox";
import { tenantPattern } from "../tenant.js";
import { limits } from "../limits.js";

/** Every object of the API refuses unknown fields. */
export const strict = { additionalProperties: false } as const;

export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const oneOf = <const Values extends readonly string[]>(values: Values) =>
  Type.Union(values.map((value) => Type.Literal(value as Values[number])));
export const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const milliseconds = Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const time = Type.String({ maxLength: 40 });
export const pid = Type.Integer({ minimum: 1, maximum: 4_194_304 });
export const path = Type.String({ minLength: 1, maxLength: limits.pathBytes });
export const mode = Type.Integer({ minimum: 0, maximum: 0o7777 });
export const text = Type.String({ maxLength: 64 * 1024 });

/** Lengths count UTF-16 units here; the exact byte limits are those of `validateEnv`. */
export const env = Type.Record(Type.String(), Type.String({ maxLength: limits.envValueBytes }), {
  maxProperties: limits.envVariables,
});
export const tags = Type.Record(Type.String(), Type.String({ maxLength: limits.tagValueLength }), {
  maxProperties: limits.tags,
});

/** Name of a tenant: of a directory, too. */
export const TenantSchema = Type.String({ pattern: tenantPattern });
