import { type MkdirBody, type RenameBody, validateGuestPath, validateMode } from "@mvm/protocol";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { defined } from "../wire/options.js";

/** Options for `files.mkdir`. */
export interface MkdirOptions extends CallOptions {
  /** @default 0o755 */
  readonly mode?: number | undefined;
  /** Make the directories above it. @default true */
  readonly parents?: boolean | undefined;
  /** Accept that it exists. @default true */
  readonly existOk?: boolean | undefined;
}

/** Makes a directory; resolves with whether it was not there before. */
export async function mkdir(target: Target, path: string, options: MkdirOptions = {}): Promise<boolean> {
  const json = defined({
    path: validateGuestPath(path),
    mode: options.mode === undefined ? undefined : validateMode(options.mode),
    parents: options.parents,
    exist_ok: options.existOk,
  }) as MkdirBody;
  const call = callOf(
    target,
    { method: "POST", path: "/files/mkdir", operation: "files.mkdir", json, idempotent: options.existOk !== false },
    options,
  );
  return (await target.client.json<{ created: boolean }>(call)).created;
}

/** Options for `files.remove`. */
export interface RemoveOptions extends CallOptions {
  /** Remove a directory with its content. Symlinks in it are removed, not followed. @default false */
  readonly recursive?: boolean | undefined;
}

/** Removes a file or directory; resolves with the number of entries removed. */
export async function remove(target: Target, path: string, options: RemoveOptions = {}): Promise<number> {
  const query = { path: validateGuestPath(path), recursive: options.recursive };
  const call = callOf(target, { method: "DELETE", path: "/files", operation: "files.remove", query }, options);
  return (await target.client.json<{ removed: number }>(call)).removed;
}

/** Options for `files.rename`. */
export interface RenameOptions extends CallOptions {
  /** Replace what is at the new path. @default true */
  readonly overwrite?: boolean | undefined;
}

/** Renames or moves. */
export async function rename(target: Target, from: string, to: string, options: RenameOptions = {}): Promise<void> {
  const json = defined({
    from: validateGuestPath(from),
    to: validateGuestPath(to),
    overwrite: options.overwrite,
  }) as RenameBody;
  await target.client.json(
    callOf(target, { method: "POST", path: "/files/rename", operation: "files.rename", json }, options),
  );
}
