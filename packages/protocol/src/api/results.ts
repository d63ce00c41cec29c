import { type Static, Type } from "@sinclair/typebox";
import { count, milliseconds, nullable, oneOf, strict } from "./shapes.js";

/** The document of `run --json` and of the `end` event. */
export const CommandResultSchema = Type.Object(
  {
    schema_version: Type.Literal(1),
    run_id: Type.String(),
    audit_id: nullable(Type.String()),
    sandbox_id: Type.String(),
    exit_code: Type.Integer(),
    /** Name of the signal that ended the command, e.g. `SIGKILL`. */
    signal: nullable(Type.String()),
    timed_out: Type.Boolean(),
    oom_killed: Type.Boolean(),
    stdout: Type.String(),
    stderr: Type.String(),
    /** Present when the kept bytes are not valid UTF-8. */
    stdout_base64: Type.Optional(Type.String()),
    stderr_base64: Type.Optional(Type.String()),
    stdout_bytes: count,
    stderr_bytes: count,
    stdout_truncated: Type.Boolean(),
    stderr_truncated: Type.Boolean(),
    /** Bytes of both outputs in the file that `spill` named; present when it was asked for. */
    spill_bytes: Type.Optional(count),
    duration_ms: milliseconds,
    timings: nullable(
      Type.Object(
        {
          create_ms: nullable(milliseconds),
          exec_ms: milliseconds,
          total_ms: milliseconds,
          start: nullable(oneOf(["pool", "template", "cold"])),
        },
        strict,
      ),
    ),
    isolation: nullable(
      Type.Object({ backend: Type.String(), accel: Type.String(), isolation: Type.String() }, strict),
    ),
    receipt_path: nullable(Type.String()),
  },
  strict,
);
export type CommandResultDocument = Static<typeof CommandResultSchema>;
