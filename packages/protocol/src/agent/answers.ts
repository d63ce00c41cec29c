import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";
import type { AgentOp } from "./requests.js";

const strict = { additionalProperties: false } as const;
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const number = Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const pid = Type.Integer({ minimum: 1, maximum: 4_194_304 });
const name = Type.String({ maxLength: limits.pathBytes });
const empty = Type.Object({}, strict);

/** How a command ended, as the agent saw it: claimed by the guest, never a fact the host vouches for. */
export const ExecResultSchema = Type.Object(
  {
    exit_code: nullable(Type.Integer({ minimum: 0, maximum: 255 })),
    signal: nullable(Type.Integer({ minimum: 1, maximum: 64 })),
    timed_out: Type.Boolean(),
    oom_killed: Type.Boolean(),
    stdout_bytes: count,
    stderr_bytes: count,
    spill_bytes: Type.Optional(count),
    duration_ms: number,
    cpu_ms: number,
  },
  strict,
);
export type ExecResult = Static<typeof ExecResultSchema>;

/** One command of `exec` that the agent knows. */
export const AgentProcessSchema = Type.Object(
  {
    pid,
    argv: Type.Array(Type.String(), { maxItems: limits.argvEntries }),
    user: Type.String({ maxLength: limits.userLength }),
    cwd: name,
    started_ms: number,
    running: Type.Boolean(),
  },
  strict,
);
export type AgentProcess = Static<typeof AgentProcessSchema>;
export const PsResultSchema = Type.Object({ processes: Type.Array(AgentProcessSchema) }, strict);

/** What a path is. */
export const FileTypeSchema = Type.Union(
  (["file", "directory", "symlink", "fifo", "socket", "device"] as const).map((type) => Type.Literal(type)),
);
/** One file of the guest. `name_b64` instead of `name` when the name is not UTF-8. */
export const AgentEntrySchema = Type.Object(
  {
    name: Type.Optional(name),
    name_b64: Type.Optional(name),
    type: FileTypeSchema,
    size: count,
    mode: Type.Integer({ minimum: 0, maximum: 0o7777 }),
    uid: count,
    gid: count,
    mtime_ms: Type.Number({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
    target: Type.Optional(name),
    target_b64: Type.Optional(name),
  },
  strict,
);
export type AgentEntry = Static<typeof AgentEntrySchema>;

export const ListResultSchema = Type.Object(
  { entries: Type.Array(AgentEntrySchema, { maxItems: limits.listPageMax }), next: nullable(Type.String()) },
  strict,
);
export const BytesResultSchema = Type.Object({ bytes: count }, strict);
export const MkdirResultSchema = Type.Object({ created: Type.Boolean() }, strict);
export const RemoveResultSchema = Type.Object({ removed: count }, strict);
export const ReadlinkResultSchema = Type.Object(
  { target: Type.Optional(name), target_b64: Type.Optional(name) },
  strict,
);

/** The guest's own numbers: claimed by it, good for display only. */
export const MetricsResultSchema = Type.Object(
  {
    uptime_ms: number,
    cpu_ms: number,
    load1: number,
    mem_total: count,
    mem_available: count,
    swap_used: count,
    disk_total: count,
    disk_used: count,
    inodes_total: count,
    inodes_used: count,
    processes: count,
  },
  strict,
);
export type AgentMetrics = Static<typeof MetricsResultSchema>;

/** Memory of all commands together, in bytes. Claimed by the guest, good for display only. */
export const MemoryResultSchema = Type.Object(
  {
    limit: count,
    used: count,
    /** Of that, what the kernel cannot take back. */
    held: count,
    peak: count,
    /** Taken back by lowered limits since the machine booted. */
    reclaimed: count,
    /** Whether the limit that was asked for is in force. */
    followed: Type.Boolean(),
  },
  strict,
);
export type AgentMemory = Static<typeof MemoryResultSchema>;

/** What RESULT of each operation looks like; the mapped type makes a forgotten operation a compile error. */
export const agentResultSchemas = {
  exec: ExecResultSchema,
  attach: ExecResultSchema,
  signal: empty,
  resize: empty,
  ps: PsResultSchema,
  read: BytesResultSchema,
  write: BytesResultSchema,
  list: ListResultSchema,
  stat: AgentEntrySchema,
  watch: empty,
  mkdir: MkdirResultSchema,
  remove: RemoveResultSchema,
  rename: empty,
  chmod: empty,
  readlink: ReadlinkResultSchema,
  symlink: empty,
  metrics: MetricsResultSchema,
  memory: MemoryResultSchema,
  connect: empty,
  egress: empty,
  accept: empty,
  share: empty,
  freeze: empty,
  thaw: empty,
  sync: empty,
  shutdown: empty,
} as const satisfies { readonly [Op in AgentOp]: TSchema };

/** The RESULT of an operation. */
export type AgentResult<Op extends AgentOp> = Static<(typeof agentResultSchemas)[Op]>;
