import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { ErrorEventSchema, StderrEventSchema, StdoutEventSchema } from "./events.js";
import { milliseconds, nullable, oneOf, strict } from "./shapes.js";

/** Who installs. */
export const PackageManagerSchema = oneOf(["pip", "npm"]);
export type PackageManagerName = Static<typeof PackageManagerSchema>;

/** Body of `POST …/packages`: names, perhaps with versions, as the manager writes them. */
export const PackagesRequestSchema = Type.Object(
  {
    manager: PackageManagerSchema,
    packages: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 100 }),
    /** For all of it. Default: the deadline `packageInstall`. */
    timeout_ms: Type.Optional(Type.Integer({ minimum: limits.timeoutMinMs, maximum: limits.timeoutMaxMs })),
    /** Send what the manager writes as it comes. */
    stream: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type PackagesRequest = Static<typeof PackagesRequestSchema>;

/** What was installed, dependencies included. */
export const PackagesInstalledSchema = Type.Object(
  {
    schema_version: Type.Literal(1),
    sandbox_id: Type.String(),
    manager: PackageManagerSchema,
    /** Sorted by name, names as their manager compares them; those asked for are `requested`. */
    installed: Type.Array(
      Type.Object({ name: Type.String(), version: Type.String(), requested: Type.Boolean() }, strict),
    ),
    /** The commands it took, each with its entry in the audit log and its receipt. */
    runs: Type.Array(
      Type.Object(
        { run_id: Type.String(), audit_id: nullable(Type.String()), receipt_path: nullable(Type.String()) },
        strict,
      ),
    ),
    duration_ms: milliseconds,
  },
  strict,
);
export type PackagesInstalledDocument = Static<typeof PackagesInstalledSchema>;

/** Lines of `POST …/packages`. */
export const PackagesEventSchema = Type.Union([
  StdoutEventSchema,
  StderrEventSchema,
  Type.Object({ event: Type.Literal("end"), result: PackagesInstalledSchema }, strict),
  ErrorEventSchema,
]);
export type PackagesStreamEvent = Static<typeof PackagesEventSchema>;
