import { type FileListDocument, limits, validateGuestPath } from "@mvm/protocol";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { type FileEntry, fileEntry } from "./entry.js";

/** The entries of a directory sorted by name, page by page: a directory of any size takes the memory of one page. */
export async function* entries(
  target: Target,
  path: string,
  options: CallOptions = {},
): AsyncGenerator<FileEntry, void, undefined> {
  validateGuestPath(path);
  for (let cursor: string | undefined; ;) {
    const query = { path, cursor, limit: limits.listPage };
    const call = callOf(target, { method: "GET", path: "/files/list", operation: "files.list", query }, options);
    const page = await target.client.json<FileListDocument>(call);
    for (const document of page.entries) yield fileEntry(document);
    if (page.next === null) return;
    cursor = page.next;
  }
}

/** All entries of a directory, sorted by name. */
export async function list(target: Target, path: string, options?: CallOptions): Promise<FileEntry[]> {
  const all: FileEntry[] = [];
  for await (const entry of entries(target, path, options)) all.push(entry);
  return all;
}
