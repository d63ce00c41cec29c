import { type Static, Type } from "@sinclair/typebox";
import { milliseconds, nullable, oneOf, strict, text, time } from "./shapes.js";

/** Who wrote a log line: the guest's console and agent, or the daemon and QEMU. */
export const LogSourceSchema = oneOf(["guest", "supervisor"]);
export const LogsQuerySchema = Type.Object(
  {
    follow: Type.Optional(oneOf(["true", "false"])),
    /** RFC 3339, or milliseconds since the epoch. */
    since: Type.Optional(Type.String({ maxLength: 40 })),
    source: Type.Optional(LogSourceSchema),
  },
  strict,
);
/** One line of a sandbox's log, redacted and bounded. */
export const LogLineSchema = Type.Object({ time, source: LogSourceSchema, line: text }, strict);
export type LogLine = Static<typeof LogLineSchema>;

/** Where the time of the start went. */
export const BootReportSchema = Type.Object(
  {
    sandbox_id: Type.String(),
    start: oneOf(["pool", "template", "cold"]),
    total_ms: milliseconds,
    phases: Type.Array(Type.Object({ phase: Type.String(), ms: milliseconds }, strict)),
    template: nullable(Type.String()),
    accel: Type.String(),
    isolation: Type.String(),
    confinement: Type.Array(
      Type.Object({ name: Type.String(), active: Type.Boolean(), detail: Type.String() }, strict),
    ),
  },
  strict,
);
export type BootReport = Static<typeof BootReportSchema>;
