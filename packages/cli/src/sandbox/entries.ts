import type { FileEntryDocument, FileListDocument } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import { type Daemon, sandboxPath } from "../daemon/daemon.js";

const pageSize = 1000;
/** A directory has an end, whatever the guest says. */
const maxEntries = 1_000_000;

/** The entries of a directory of the guest, page by page. */
export async function* allEntries(daemon: Daemon, ref: string, path: string): AsyncGenerator<FileEntryDocument> {
  let cursor: string | undefined;
  let count = 0;
  do {
    const query = { path, cursor, limit: pageSize };
    const page: FileListDocument = await daemon.call({
      method: "GET",
      path: sandboxPath(ref, "files", "list"),
      operation: "files.list",
      query,
    });
    count += Math.max(1, page.entries.length);
    if (count > maxEntries) {
      throw createError("PROTOCOL_VIOLATION", {
        message: `Cannot list "${path}": it has more than ${maxEntries} entries`,
      });
    }
    yield* page.entries;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}
