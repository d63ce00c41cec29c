import { type Static, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import { ErrorEventSchema, ProcessStartedEventSchema, StderrEventSchema, StdoutEventSchema } from "./events.js";
import { count, milliseconds, nullable, oneOf, path, pid, strict, time } from "./shapes.js";

/** A language that code can be run in. */
export const CodeLanguageSchema = oneOf(["python", "javascript"]);
export type CodeLanguage = Static<typeof CodeLanguageSchema>;

/** Name of a context; each language has its own. */
export const ContextNameSchema = Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$" });

/** Body of `POST …/code`. */
export const CodeRequestSchema = Type.Object(
  {
    language: CodeLanguageSchema,
    code: Type.String({ maxLength: limits.codeBytes }),
    context: Type.Optional(ContextNameSchema),
    cwd: Type.Optional(path),
    timeout_ms: Type.Optional(nullable(Type.Integer({ minimum: limits.timeoutMinMs, maximum: limits.timeoutMaxMs }))),
    max_output_bytes: Type.Optional(Type.Integer({ minimum: limits.outputMinBytes, maximum: limits.outputMaxBytes })),
    stream: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type CodeRequest = Static<typeof CodeRequestSchema>;

/** Body of `POST …/code/contexts`. */
export const ContextRequestSchema = Type.Object(
  { language: CodeLanguageSchema, context: Type.Optional(ContextNameSchema), cwd: Type.Optional(path) },
  strict,
);
export type ContextRequest = Static<typeof ContextRequestSchema>;

export const ContextInfoSchema = Type.Object(
  { context: Type.String(), language: CodeLanguageSchema, calls: count, busy: Type.Boolean(), created_at: time },
  strict,
);
export type ContextInfoDocument = Static<typeof ContextInfoSchema>;
export const ContextListSchema = Type.Object({ contexts: Type.Array(ContextInfoSchema) }, strict);
export const ContextRefSchema = Type.Object(
  {
    ref: Type.String({ minLength: 1, maxLength: 128 }),
    language: CodeLanguageSchema,
    context: ContextNameSchema,
  },
  strict,
);
export const ContextDeletedSchema = Type.Object({ deleted: Type.Boolean() }, strict);

/** What the code raised, told by the process that ran it. */
export const CodeErrorSchema = Type.Object(
  {
    name: Type.String({ maxLength: 1024 }),
    value: Type.String({ maxLength: 256 * 1024 }),
    traceback: Type.String({ maxLength: 1024 * 1024 }),
  },
  strict,
);
/** One rich output: data by MIME type, binary data in base64. */
export const CodeOutputSchema = Type.Record(Type.String({ maxLength: 256 }), Type.String());

/** What a context claims about a call. Whatever it says, it can say it only about itself. */
export const CodeClaimSchema = Type.Object(
  {
    call: Type.String(),
    value: nullable(Type.String()),
    error: nullable(CodeErrorSchema),
    outputs: Type.Array(CodeOutputSchema, { maxItems: 10_000 }),
    outputs_dropped: count,
  },
  strict,
);
export type CodeClaim = Static<typeof CodeClaimSchema>;

/** Why a context is no more; null while it goes on. */
export const contextEnds = [
  "exited",
  "timed_out",
  "cancelled",
  "closed",
  "violation",
  "deleted",
  "not_started",
  "lost",
] as const;
export type ContextEnd = (typeof contextEnds)[number];

/** The `end` of a call. */
export const CodeResultSchema = Type.Object(
  {
    schema_version: Type.Literal(1),
    run_id: Type.String(),
    audit_id: nullable(Type.String()),
    sandbox_id: Type.String(),
    language: CodeLanguageSchema,
    context: Type.String(),
    /** The call began with an interpreter that had run nothing yet. */
    context_fresh: Type.Boolean(),
    /** Why the context ended in this call; the next call of that name gets a fresh one. Null: it goes on. */
    context_ended: nullable(oneOf(contextEnds)),
    value: nullable(Type.String()),
    outputs: Type.Array(CodeOutputSchema),
    outputs_dropped: count,
    error: nullable(CodeErrorSchema),
    exit_code: nullable(Type.Integer()),
    signal: nullable(Type.String()),
    timed_out: Type.Boolean(),
    oom_killed: Type.Boolean(),
    stdout: Type.String(),
    stderr: Type.String(),
    stdout_base64: Type.Optional(Type.String()),
    stderr_base64: Type.Optional(Type.String()),
    stdout_bytes: count,
    stderr_bytes: count,
    stdout_truncated: Type.Boolean(),
    stderr_truncated: Type.Boolean(),
    duration_ms: milliseconds,
    /** The receipt's file on this host; null when it could not be written. */
    receipt_path: nullable(Type.String()),
  },
  strict,
);
export type CodeResultDocument = Static<typeof CodeResultSchema>;

/** Lines of `POST …/code`. */
export const CodeEventSchema = Type.Union([
  ProcessStartedEventSchema,
  StdoutEventSchema,
  StderrEventSchema,
  Type.Object({ event: Type.Literal("end"), result: CodeResultSchema }, strict),
  ErrorEventSchema,
]);
export type CodeStreamEvent = Static<typeof CodeEventSchema>;

/** Lines a runner in the guest writes. */
export const RunnerLineSchema = Type.Union([
  Type.Object({ event: Type.Literal("ready") }, strict),
  Type.Object(
    { event: Type.Literal("hello"), nonce: Type.String(), contexts: Type.Array(ContextNameSchema, { maxItems: 1000 }) },
    strict,
  ),
  Type.Object({ event: Type.Literal("begin"), call: Type.String(), fresh: Type.Boolean(), pid }, strict),
  Type.Object({ event: oneOf(["stdout", "stderr", "result"]), call: Type.String(), data: Type.String() }, strict),
  Type.Object(
    {
      event: Type.Literal("end"),
      call: Type.String(),
      ended: nullable(oneOf([...contextEnds, "unknown"])),
      status: nullable(Type.Integer({ minimum: 0, maximum: 255 })),
      signal: nullable(Type.Integer({ minimum: 1, maximum: 64 })),
      oom: Type.Boolean(),
      detail: Type.Optional(Type.String()),
    },
    strict,
  ),
  Type.Object(
    { event: Type.Literal("gone"), context: Type.String(), ended: oneOf([...contextEnds, "unknown"]) },
    strict,
  ),
]);
export type RunnerLine = Static<typeof RunnerLineSchema>;
