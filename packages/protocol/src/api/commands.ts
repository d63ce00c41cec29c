import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { CreateRequestSchema } from "./sandboxes.js";
import { env, nullable, oneOf, path, pid, strict, time } from "./shapes.js";

export const TerminalSizeSchema = Type.Object(
  {
    rows: Type.Integer({ minimum: 1, maximum: limits.terminalRows }),
    cols: Type.Integer({ minimum: 1, maximum: limits.terminalColumns }),
  },
  strict,
);
export type TerminalSize = Static<typeof TerminalSizeSchema>;

/** Body of `POST …/processes`: exactly one of `argv` (no shell) and `shell` (`/bin/sh -lc`). */
export const CommandRequestSchema = Type.Object(
  {
    argv: Type.Optional(Type.Array(Type.String(), { minItems: 1, maxItems: limits.argvEntries })),
    shell: Type.Optional(Type.String({ minLength: 1, maxLength: limits.argumentBytes })),
    env: Type.Optional(env),
    cwd: Type.Optional(path),
    user: Type.Optional(Type.String({ minLength: 1, maxLength: limits.userLength })),
    timeout_ms: Type.Optional(nullable(Type.Integer({ minimum: limits.timeoutMinMs, maximum: limits.timeoutMaxMs }))),
    stdin: Type.Optional(oneOf(["none", "pipe", "data"])),
    stdin_data: Type.Optional(Type.String({ maxLength: Math.ceil(limits.stdinDataBytes / 3) * 4 })),
    max_output_bytes: Type.Optional(Type.Integer({ minimum: limits.outputMinBytes, maximum: limits.outputMaxBytes })),
    stream: Type.Optional(Type.Boolean()),
    background: Type.Optional(Type.Boolean()),
    pty: Type.Optional(TerminalSizeSchema),
    spill: Type.Optional(path),
  },
  strict,
);
export type CommandRequest = Static<typeof CommandRequestSchema>;

/** Body of `POST /v1/runs`. */
export const RunRequestSchema = Type.Object({ sandbox: CreateRequestSchema, command: CommandRequestSchema }, strict);
export type RunRequest = Static<typeof RunRequestSchema>;

/** A command of a sandbox. */
export const ProcessInfoSchema = Type.Object(
  {
    pid,
    run_id: nullable(Type.String()),
    argv: Type.Array(Type.String()),
    user: Type.String(),
    cwd: Type.String(),
    started_at: time,
    running: Type.Boolean(),
  },
  strict,
);
export type ProcessInfoDocument = Static<typeof ProcessInfoSchema>;
export const ProcessListSchema = Type.Object({ processes: Type.Array(ProcessInfoSchema) }, strict);

export const ProcessRefSchema = Type.Object(
  { ref: Type.String({ minLength: 1, maxLength: 128 }), pid: Type.String({ pattern: "^[1-9][0-9]{0,6}$" }) },
  strict,
);
/** `from=0` is as far back as the ring holds; absent is now. */
export const ProcessEventsQuerySchema = Type.Object(
  { from: Type.Optional(Type.String({ pattern: "^[0-9]{1,16}$" })) },
  strict,
);
export const StdinQuerySchema = Type.Object({ eof: Type.Optional(oneOf(["true", "false"])) }, strict);
export const WrittenSchema = Type.Object({ written_bytes: Type.Integer({ minimum: 0 }) }, strict);
export const SignalRequestBodySchema = Type.Object(
  { signal: Type.String({ maxLength: 16 }), tree: Type.Optional(Type.Boolean()) },
  strict,
);
export type SignalRequestBody = Static<typeof SignalRequestBodySchema>;
