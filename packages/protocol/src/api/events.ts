import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { ErrorDocumentSchema } from "./errors.js";
import { CommandResultSchema } from "./results.js";
import { EndReasonSchema, SandboxInfoSchema, SandboxStateSchema } from "./sandboxes.js";
import { count, milliseconds, nullable, oneOf, pid, strict, text, time } from "./shapes.js";

const event = <const Name extends string, Fields extends Record<string, TSchema>>(name: Name, fields: Fields) =>
  Type.Object({ event: Type.Literal(name), ...fields }, strict);

/** A phase of the start or of a build goes on. */
export const ProgressEventSchema = event("progress", {
  phase: Type.String(),
  detail: Type.Optional(Type.String()),
  done: Type.Optional(count),
  total: Type.Optional(count),
});
export type ProgressEvent = Static<typeof ProgressEventSchema>;
/** Something the user should know, said once: a fall back to tcg, for example. */
export const NoticeEventSchema = event("notice", { message: text });
export type NoticeEvent = Static<typeof NoticeEventSchema>;
export const CreatedEventSchema = event("created", {
  sandbox: SandboxInfoSchema,
  timings: Type.Object({ create_ms: milliseconds, start: oneOf(["pool", "template", "cold"]) }, strict),
});
export type CreatedEvent = Static<typeof CreatedEventSchema>;
/** First line of `POST /v1/sandboxes/:ref/lease`: from now on the connection holds the sandbox. */
export const LeasedEventSchema = event("leased", { sandbox: SandboxInfoSchema });
export const ProcessStartedEventSchema = event("started", { pid, run_id: Type.String() });
export type ProcessStartedEvent = Static<typeof ProcessStartedEventSchema>;
/** Output as it came, base64; `cursor` is where to resume after it. */
export const StdoutEventSchema = event("stdout", { data: Type.String(), cursor: Type.Optional(count) });
export const StderrEventSchema = event("stderr", { data: Type.String(), cursor: Type.Optional(count) });
/** Output between two cursors was dropped from the ring before it was read. */
export const GapEventSchema = event("gap", { from: count, to: count });
export type GapEvent = Static<typeof GapEventSchema>;
export const EndEventSchema = event("end", { result: CommandResultSchema });
/** `sandbox_id` tells the sandboxes of one lease apart. */
const whose = { sandbox_id: Type.Optional(Type.String()) };
export const ExpiringEventSchema = event("expiring", { expires_at: time, ...whose });
export const EndedEventSchema = event("ended", {
  state: SandboxStateSchema,
  reason: nullable(EndReasonSchema),
  ...whose,
});
export type EndedEvent = Static<typeof EndedEventSchema>;
/** Always the last line of its stream. */
export const ErrorEventSchema = event("error", { error: ErrorDocumentSchema.properties.error });

/** Lines of the calls that make sandboxes or hold them: create, restore, fork, lease. */
export const CreateEventSchema = Type.Union([
  ProgressEventSchema,
  NoticeEventSchema,
  CreatedEventSchema,
  LeasedEventSchema,
  ExpiringEventSchema,
  EndedEventSchema,
  ErrorEventSchema,
]);
export type CreateStreamEvent = Static<typeof CreateEventSchema>;

/** Lines of `POST …/processes` and of `GET …/processes/:pid/events`. */
export const ProcessEventSchema = Type.Union([
  NoticeEventSchema,
  ProcessStartedEventSchema,
  StdoutEventSchema,
  StderrEventSchema,
  GapEventSchema,
  EndEventSchema,
  ErrorEventSchema,
]);
export type ProcessStreamEvent = Static<typeof ProcessEventSchema>;

/** Lines of `POST /v1/runs`. */
export const RunEventSchema = Type.Union([
  ProgressEventSchema,
  NoticeEventSchema,
  CreatedEventSchema,
  ProcessStartedEventSchema,
  StdoutEventSchema,
  StderrEventSchema,
  EndEventSchema,
  ErrorEventSchema,
]);
export type RunStreamEvent = Static<typeof RunEventSchema>;
