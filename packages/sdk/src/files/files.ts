import type { ReadableStream } from "node:stream/web";
import type { CallOptions, Target } from "../sandbox/target.js";
import { mkdir, type MkdirOptions, remove, type RemoveOptions, rename, type RenameOptions } from "./change.js";
import type { FileEntry } from "./entry.js";
import { entries, list } from "./list.js";
import { read, type ReadOptions } from "./read.js";
import { exists, stat, type StatOptions } from "./stat.js";
import { FileWatch, type WatchOptions } from "./watch.js";
import { type FileContent, write, type WriteOptions, type Written } from "./write.js";

/**
 * Files of one sandbox. Paths are absolute or relative to `/home/user`; empty ones, NUL, `..` and what is too long are
 * refused with `InvalidArgumentError`, everything else is literal. `/proc`, `/sys` and `/dev` are `PolicyDenied`.
 */
export class Files {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  /** Content of a file: as text unless `format` says otherwise. */
  read(path: string, options?: ReadOptions & { readonly format?: "text" | undefined }): Promise<string>;
  read(path: string, options: ReadOptions & { readonly format: "bytes" }): Promise<Uint8Array>;
  read(path: string, options: ReadOptions & { readonly format: "stream" }): Promise<ReadableStream<Uint8Array>>;
  read(path: string, options?: ReadOptions): Promise<string | Uint8Array | ReadableStream<Uint8Array>> {
    return read(this.#target, path, options);
  }

  /** Writes a file: wholly or not at all. */
  write(path: string, content: FileContent, options?: WriteOptions): Promise<Written> {
    return write(this.#target, path, content, options);
  }

  /** The entries of a directory, sorted by name. */
  list(path: string, options?: CallOptions): Promise<FileEntry[]> {
    return list(this.#target, path, options);
  }

  /** The entries of a directory one by one, for those too large for a list. */
  entries(path: string, options?: CallOptions): AsyncGenerator<FileEntry, void, undefined> {
    return entries(this.#target, path, options);
  }

  /** What is at the path. */
  stat(path: string, options?: StatOptions): Promise<FileEntry> {
    return stat(this.#target, path, options);
  }

  /** Whether something is at the path. */
  exists(path: string, options?: StatOptions): Promise<boolean> {
    return exists(this.#target, path, options);
  }

  /** What changes at the path from now on: iterate over it. `await watch.ready` tells when it is under way. */
  watch(path: string, options?: WatchOptions): FileWatch {
    return new FileWatch(this.#target, path, options);
  }

  /** Makes a directory; resolves with whether it was not there before. */
  mkdir(path: string, options?: MkdirOptions): Promise<boolean> {
    return mkdir(this.#target, path, options);
  }

  /** Removes a file, or with `recursive` a tree; resolves with the number of entries removed. */
  remove(path: string, options?: RemoveOptions): Promise<number> {
    return remove(this.#target, path, options);
  }

  /** Renames or moves. */
  rename(from: string, to: string, options?: RenameOptions): Promise<void> {
    return rename(this.#target, from, to, options);
  }
}
