import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { limits } from "../limits.js";

const strict = { additionalProperties: false } as const;
const op = <const Name extends string, Fields extends Record<string, TSchema>>(name: Name, fields: Fields) =>
  Type.Object({ op: Type.Literal(name), ...fields }, strict);
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const pid = Type.Integer({ minimum: 1, maximum: 4_194_304 });
const path = Type.String({ minLength: 1, maxLength: limits.pathBytes });
const mode = Type.Integer({ minimum: 0, maximum: 0o7777 });
const rows = Type.Integer({ minimum: 1, maximum: limits.terminalRows });
const cols = Type.Integer({ minimum: 1, maximum: limits.terminalColumns });

export const ExecRequestSchema = op("exec", {
  argv: Type.Array(Type.String(), { minItems: 1, maxItems: limits.argvEntries }),
  env: Type.Record(Type.String(), Type.String()),
  cwd: path,
  user: Type.String({ minLength: 1, maxLength: limits.userLength }),
  stdin: Type.Union([Type.Literal("none"), Type.Literal("pipe")]),
  timeout_ms: nullable(Type.Integer({ minimum: limits.timeoutMinMs, maximum: limits.timeoutMaxMs })),
  grace_ms: Type.Integer({ minimum: 0, maximum: limits.timeoutMaxMs }),
  pty: nullable(Type.Object({ rows, cols }, strict)),
  spill: Type.Optional(path),
});
export const SignalRequestSchema = op("signal", {
  pid,
  signal: Type.Integer({ minimum: 1, maximum: 64 }),
  tree: Type.Optional(Type.Boolean()),
});
export const ResizeRequestSchema = op("resize", { pid, rows, cols });
export const PsRequestSchema = op("ps", {});
export const AttachRequestSchema = op("attach", { pid });
export const ReadRequestSchema = op("read", { path, offset: Type.Optional(count), length: Type.Optional(count) });
export const WriteRequestSchema = op("write", {
  path,
  mode: Type.Optional(mode),
  mtime_ms: Type.Optional(count),
  exclusive: Type.Optional(Type.Boolean()),
  append: Type.Optional(Type.Boolean()),
  size: Type.Optional(count),
});
export const ListRequestSchema = op("list", {
  path,
  cursor: Type.Optional(Type.String()),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.listPageMax })),
});
export const StatRequestSchema = op("stat", { path, follow: Type.Optional(Type.Boolean()) });
export const WatchRequestSchema = op("watch", { path, recursive: Type.Optional(Type.Boolean()) });
export const MkdirRequestSchema = op("mkdir", {
  path,
  mode: Type.Optional(mode),
  parents: Type.Optional(Type.Boolean()),
  exist_ok: Type.Optional(Type.Boolean()),
});
export const RemoveRequestSchema = op("remove", { path, recursive: Type.Optional(Type.Boolean()) });
export const RenameRequestSchema = op("rename", { from: path, to: path, overwrite: Type.Optional(Type.Boolean()) });
export const ChmodRequestSchema = op("chmod", { path, mode });
export const ReadlinkRequestSchema = op("readlink", { path });
export const SymlinkRequestSchema = op("symlink", { path, target: path });
export const MetricsRequestSchema = op("metrics", {});
/** Figures of the memory that commands use; with `limit_mb` (MiB) also another limit for all of them together. */
export const MemoryRequestSchema = op("memory", {
  limit_mb: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.memoryMaxMb })),
});
export const ConnectRequestSchema = op("connect", { port: Type.Integer({ minimum: 1, maximum: 65_535 }) });
/** One host and port that the machine's programs may ask for; the host decides again about each connection. */
export const EgressRuleSchema = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: limits.hostLength }),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  },
  strict,
);
export const EgressRequestSchema = op("egress", {
  allow: Type.Array(EgressRuleSchema, { maxItems: limits.networkRules }),
});
export const AcceptRequestSchema = op("accept", { connection: count });
/** Directories of the host, in the order of their numbers on the port of the shares. */
export const ShareRequestSchema = op("share", {
  shares: Type.Array(Type.Object({ path, read_only: Type.Boolean() }, strict), { maxItems: 32 }),
});
export const FreezeRequestSchema = op("freeze", {});
export const ThawRequestSchema = op("thaw", {});
export const SyncRequestSchema = op("sync", {});
export const ShutdownRequestSchema = op("shutdown", {});

/** Every request of the host, by its `op`. */
export const AgentRequestSchema = Type.Union([
  ExecRequestSchema,
  SignalRequestSchema,
  ResizeRequestSchema,
  PsRequestSchema,
  AttachRequestSchema,
  ReadRequestSchema,
  WriteRequestSchema,
  ListRequestSchema,
  StatRequestSchema,
  WatchRequestSchema,
  MkdirRequestSchema,
  RemoveRequestSchema,
  RenameRequestSchema,
  ChmodRequestSchema,
  ReadlinkRequestSchema,
  SymlinkRequestSchema,
  MetricsRequestSchema,
  MemoryRequestSchema,
  ConnectRequestSchema,
  EgressRequestSchema,
  AcceptRequestSchema,
  ShareRequestSchema,
  FreezeRequestSchema,
  ThawRequestSchema,
  SyncRequestSchema,
  ShutdownRequestSchema,
]);

export type AgentRequest = Static<typeof AgentRequestSchema>;
/** Name of an operation of the agent. */
export type AgentOp = AgentRequest["op"];
export type ExecRequest = Static<typeof ExecRequestSchema>;
