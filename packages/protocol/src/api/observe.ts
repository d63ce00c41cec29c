import { type Static, Type } from "@sinclair/typebox";
import { count, milliseconds, nullable, oneOf, strict, text, time } from "./shapes.js";

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

/** Numbers of one sandbox: `host` is observed, `guest` is what the guest claims and null when it does not answer. */
export const SandboxMetricsSchema = Type.Object(
  {
    sandbox_id: Type.String(),
    state: Type.String(),
    time,
    host: Type.Object(
      {
        uptime_ms: milliseconds,
        cpu_ms: nullable(milliseconds),
        rss_bytes: nullable(count),
        disk_bytes: nullable(count),
        commands: count,
        stdout_bytes: count,
        stderr_bytes: count,
      },
      strict,
    ),
    guest: nullable(
      Type.Object(
        {
          uptime_ms: milliseconds,
          cpu_ms: milliseconds,
          load1: Type.Number(),
          mem_total_bytes: count,
          mem_available_bytes: count,
          swap_used_bytes: count,
          disk_total_bytes: count,
          disk_used_bytes: count,
          inodes_total: count,
          inodes_used: count,
          processes: count,
        },
        strict,
      ),
    ),
  },
  strict,
);
export type SandboxMetricsDocument = Static<typeof SandboxMetricsSchema>;

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
