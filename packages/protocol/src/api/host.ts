import { type Static, Type } from "@sinclair/typebox";
import { count, nullable, oneOf, strict, time } from "./shapes.js";

export const VersionSchema = Type.Object(
  { version: Type.String(), api: Type.Literal("v1"), pid: count, started_at: time, home: Type.String() },
  strict,
);
export type Version = Static<typeof VersionSchema>;

/** One thing doctor looked at; `fix` is a command or sentence when it is not in order. */
export const CheckSchema = Type.Object(
  {
    name: Type.String(),
    status: oneOf(["ok", "warn", "fail"]),
    detail: Type.String(),
    fix: nullable(Type.String()),
  },
  strict,
);
export type Check = Static<typeof CheckSchema>;
export const DoctorReportSchema = Type.Object(
  { schema_version: Type.Literal(1), ok: Type.Boolean(), time, checks: Type.Array(CheckSchema) },
  strict,
);
export type DoctorReport = Static<typeof DoctorReportSchema>;
export const DoctorQuerySchema = Type.Object({ refresh: Type.Optional(oneOf(["true", "false"])) }, strict);

/** One backend: what it can do here, and why not where it cannot. */
export const BackendInfoSchema = Type.Object(
  {
    name: Type.String(),
    available: Type.Boolean(),
    detail: Type.String(),
    accels: Type.Array(Type.Object({ name: Type.String(), usable: Type.Boolean(), detail: Type.String() }, strict)),
    isolation: Type.String(),
    features: Type.Record(Type.String(), Type.String()),
  },
  strict,
);
export type BackendInfo = Static<typeof BackendInfoSchema>;
export const BackendListSchema = Type.Object({ backends: Type.Array(BackendInfoSchema) }, strict);

export const GcRequestSchema = Type.Object({ dry_run: Type.Optional(Type.Boolean()) }, strict);
export const GcResultSchema = Type.Object(
  {
    removed: Type.Array(Type.Object({ kind: Type.String(), path: Type.String(), bytes: count }, strict)),
    bytes: count,
  },
  strict,
);
export type GcResult = Static<typeof GcResultSchema>;
export const DaemonStopRequestSchema = Type.Object({ force: Type.Optional(Type.Boolean()) }, strict);
export const DaemonStopResultSchema = Type.Object({ stopping: Type.Literal(true) }, strict);
