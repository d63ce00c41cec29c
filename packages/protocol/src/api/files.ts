import { type Static, Type } from "@sinclair/typebox";
import { count, mode, nullable, oneOf, path, strict, text } from "./shapes.js";

const flag = Type.Optional(oneOf(["true", "false"]));
const digits = Type.Optional(Type.String({ pattern: "^[0-9]{1,16}$" }));

/** One file of the guest. `name_b64`/`target_b64` stand in when the bytes are not UTF-8. */
export const FileEntrySchema = Type.Object(
  {
    name: Type.Optional(Type.String()),
    name_b64: Type.Optional(Type.String()),
    type: oneOf(["file", "directory", "symlink", "fifo", "socket", "device"]),
    size: count,
    mode: count,
    uid: count,
    gid: count,
    mtime_ms: Type.Number(),
    target: Type.Optional(Type.String()),
    target_b64: Type.Optional(Type.String()),
    /** Hex, of a file's content as the guest handed it out just now; only when asked for. */
    sha256: Type.Optional(Type.String()),
  },
  strict,
);
export type FileEntryDocument = Static<typeof FileEntrySchema>;

export const FileReadQuerySchema = Type.Object({ path: text, offset: digits, length: digits }, strict);
export const FileWriteQuerySchema = Type.Object(
  { path: text, mode: digits, mtime_ms: digits, exclusive: flag, append: flag },
  strict,
);
/** `sha256` (hex) is of the bytes that passed the daemon on their way to the guest. */
export const FileWrittenSchema = Type.Object({ bytes: count, sha256: Type.String() }, strict);
export type FileWrittenDocument = Static<typeof FileWrittenSchema>;
export const FileListQuerySchema = Type.Object({ path: text, cursor: Type.Optional(text), limit: digits }, strict);
export const FileListSchema = Type.Object(
  { entries: Type.Array(FileEntrySchema), next: nullable(Type.String()) },
  strict,
);
export type FileListDocument = Static<typeof FileListSchema>;
export const FileStatQuerySchema = Type.Object({ path: text, follow: flag, sha256: flag }, strict);
export const MkdirBodySchema = Type.Object(
  { path, mode: Type.Optional(mode), parents: Type.Optional(Type.Boolean()), exist_ok: Type.Optional(Type.Boolean()) },
  strict,
);
export type MkdirBody = Static<typeof MkdirBodySchema>;
export const RenameBodySchema = Type.Object({ from: path, to: path, overwrite: Type.Optional(Type.Boolean()) }, strict);
export type RenameBody = Static<typeof RenameBodySchema>;
export const SymlinkBodySchema = Type.Object({ path, target: path }, strict);
export const ChmodBodySchema = Type.Object({ path, mode }, strict);
export const FileWatchQuerySchema = Type.Object({ path: text, recursive: flag }, strict);

const place = { path: Type.Optional(Type.String()), path_b64: Type.Optional(Type.String()), directory: Type.Boolean() };
/**
 * One change below a watched path. `path_b64` stands in when the bytes are not UTF-8. `modified`: content, mode, owner or
 * times. `overflow`: changes were missed, look again.
 */
export const FileChangeSchema = Type.Union([
  Type.Object({ event: oneOf(["created", "modified", "removed"]), ...place }, strict),
  Type.Object(
    {
      ...{ event: Type.Literal("renamed"), ...place },
      ...{ from: Type.Optional(Type.String()), from_b64: Type.Optional(Type.String()) },
    },
    strict,
  ),
  Type.Object({ event: Type.Literal("overflow") }, strict),
]);
export type FileChangeDocument = Static<typeof FileChangeSchema>;
/** Lines of `GET …/files/watch`: `watching` first, then what changes. */
export type FileWatchEvent = { readonly event: "watching" } | FileChangeDocument;
export const FileRemoveQuerySchema = Type.Object({ path: text, recursive: flag }, strict);
export const FileRemovedSchema = Type.Object({ removed: count }, strict);
export const FileCreatedSchema = Type.Object({ created: Type.Boolean() }, strict);
