import { type FileEntryDocument, isSandboxError, validateGuestPath } from "@mvm/protocol";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { type FileEntry, fileEntry } from "./entry.js";

/** Options for `files.stat` and `files.exists`. */
export interface StatOptions extends CallOptions {
  /** Tell about what a symlink leads to, not about the link. @default true */
  readonly follow?: boolean | undefined;
  /** Also the SHA-256 of a file's content: the whole file passes the daemon, which computes it. @default false */
  readonly sha256?: boolean | undefined;
}

/** What is at the path. Throws `GuestAgentError` (`FILE_NOT_FOUND`) when nothing is. */
export async function stat(target: Target, path: string, options: StatOptions = {}): Promise<FileEntry> {
  const query = { path: validateGuestPath(path), follow: options.follow, sha256: options.sha256 };
  const call = callOf(target, { method: "GET", path: "/files/stat", operation: "files.stat", query }, options);
  return fileEntry(await target.client.json<FileEntryDocument>(call));
}

/** Whether something is at the path. */
export async function exists(target: Target, path: string, options?: StatOptions): Promise<boolean> {
  try {
    await stat(target, path, options);
    return true;
  } catch (error) {
    if (isSandboxError(error) && (error.code === "FILE_NOT_FOUND" || error.code === "FILE_NOT_DIRECTORY")) return false;
    throw error;
  }
}
