import type { Readable } from "node:stream";
import type { FileEntryDocument } from "@mvm/protocol";
import { isSandboxError } from "@mvm/protocol/errors";
import { type Daemon, sandboxPath } from "../daemon/daemon.js";
import { allEntries } from "../sandbox/entries.js";

/** The files of a sandbox as a copy needs them. Everything read through it may be a lie. */
export interface GuestFiles {
  /** Status, links followed in the guest; null when it does not exist. */
  stat(path: string): Promise<FileEntryDocument | null>;
  list(path: string): AsyncIterable<FileEntryDocument>;
  read(path: string): Promise<AsyncIterable<Uint8Array>>;
  /** Writes a file, with its parents. Resolves with the number of bytes. */
  write(path: string, content: () => Readable, mode: number, mtimeMs: number): Promise<number>;
  mkdir(path: string, mode: number): Promise<void>;
  /** Makes a link; false when something of that name exists. */
  symlink(path: string, target: string): Promise<boolean>;
}

/** The files of one sandbox, over the daemon. */
export function guestFiles(daemon: Daemon, ref: string): GuestFiles {
  const at = (...rest: string[]) => sandboxPath(ref, "files", ...rest);
  return {
    stat: (path) =>
      daemon
        .call<FileEntryDocument>({ method: "GET", path: at("stat"), operation: "files.stat", query: { path } })
        .catch(orElse("FILE_NOT_FOUND", null)),
    list: (path) => allEntries(daemon, ref, path),
    read: async (path) =>
      (await daemon.download({ method: "GET", path: at("content"), operation: "files.read", query: { path } })).body,
    write: async (path, content, mode, mtimeMs) => {
      const query = { path, mode, mtime_ms: Math.max(0, Math.floor(mtimeMs)) };
      const operation = "files.write";
      const call = {
        method: "PUT",
        path: at("content"),
        operation,
        query,
        body: content,
        patient: () => true,
      } as const;
      return (await daemon.call<{ bytes: number }>(call)).bytes;
    },
    mkdir: async (path, mode) => {
      await daemon.call({
        method: "POST",
        path: at("mkdir"),
        operation: "files.mkdir",
        json: { path, mode, exist_ok: true },
      });
    },
    symlink: (path, target) =>
      daemon
        .call({ method: "POST", path: at("symlink"), operation: "files.symlink", json: { path, target } })
        .then(() => true, orElse("FILE_EXISTS", false)),
  };
}

function orElse<T>(code: string, value: T): (error: unknown) => T {
  return (error) => {
    if (isSandboxError(error) && error.code === code) return value;
    throw error;
  };
}
