import type { ByteSource } from "./byte-source.js";

/** What every kind of file has. Names and targets hold one character a byte (latin1). */
interface Common {
  mode: number;
  uid: number;
  gid: number;
  xattrs: ReadonlyMap<string, Buffer>;
}

export interface Directory extends Common {
  readonly type: "directory";
  readonly children: Map<string, Child>;
}
export interface RegularFile extends Common {
  readonly type: "file";
  readonly content: ByteSource;
}
export interface Symlink extends Common {
  readonly type: "symlink";
  readonly target: string;
}
export interface Fifo extends Common {
  readonly type: "fifo";
}
/** A file of a root file system, in memory but for its content. Two names of one node are hard links. */
export type TreeNode = Directory | RegularFile | Symlink | Fifo;

/** A name in a directory, and the number of the layer that gave it. */
export interface Child {
  readonly node: TreeNode;
  layer: number;
}

const noXattrs: ReadonlyMap<string, Buffer> = new Map();

export function directory(mode = 0o755, uid = 0, gid = 0): Directory {
  return { type: "directory", mode, uid, gid, xattrs: noXattrs, children: new Map() };
}

export function file(content: ByteSource, mode = 0o644, uid = 0, gid = 0): RegularFile {
  return { type: "file", mode, uid, gid, xattrs: noXattrs, content };
}
