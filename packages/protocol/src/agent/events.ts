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

/** The guest answers the names of an egress, and takes connections to them. */
export const ListeningEventSchema = Type.Object({ event: Type.Literal("listening") }, strict);
/** A name in lower case or an IPv4 address. */
const host = Type.String({ pattern: "^[a-z0-9_.-]{1,253}$" });
const port = Type.Integer({ minimum: 1, maximum: 65_535 });
/** A program of the guest wants a connection to the outside; it waits until the host opens `accept` for it. */
export const ConnectionEventSchema = Type.Object(
  {
    event: Type.Literal("connection"),
    connection: Type.Integer({ minimum: 0, maximum: 0xffff_ffff }),
    host,
    port,
  },
  strict,
);
/** A program of the guest asked for a name, or connected to a port, that nothing allows. Told at most now and then. */
export const RefusedEventSchema = Type.Object(
  { event: Type.Literal("refused"), host, port: Type.Union([port, Type.Null()]) },
  strict,
);
/** A watch is under way: what changes from now on is told. */
export const WatchingEventSchema = Type.Object({ event: Type.Literal("watching") }, strict);

export const AgentEventSchema = Type.Union([
  StartedEventSchema,
  FileEventSchema,
  ConnectedEventSchema,
  ListeningEventSchema,
  ConnectionEventSchema,
  RefusedEventSchema,
  WatchingEventSchema,
]);
export type AgentEvent = Static<typeof AgentEventSchema>;
