import { type Static, Type } from "@sinclair/typebox";

const strict = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** The program of an exec runs, or an attach is bound. */
export const StartedEventSchema = Type.Object(
  { event: Type.Literal("started"), pid: Type.Integer({ minimum: 1, maximum: 4_194_304 }) },
  strict,
);
/** The file of a read is open; its size is what fstat said, not what will follow. */
export const FileEventSchema = Type.Object(
  {
    event: Type.Literal("file"),
    size: count,
    mode: Type.Integer({ minimum: 0, maximum: 0o7777 }),
    mtime_ms: Type.Number({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  },
  strict,
);
/** A connection inside the guest is open. */
export const ConnectedEventSchema = Type.Object({ event: Type.Literal("connected") }, strict);

export const AgentEventSchema = Type.Union([StartedEventSchema, FileEventSchema, ConnectedEventSchema]);
export type AgentEvent = Static<typeof AgentEventSchema>;
