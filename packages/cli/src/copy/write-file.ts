import { closeSync, fchmodSync, futimesSync, write } from "node:fs";
import { promisify } from "node:util";
import type { CopyBudget } from "./budget.js";

const writeAt = promisify(write);

/** Fills a new file from a stream, counting its bytes, and closes it whatever happens. */
export async function writeFile(
  fd: number,
  content: AsyncIterable<Uint8Array>,
  attributes: { readonly mode: number; readonly mtimeMs: number },
  budget: CopyBudget,
): Promise<void> {
  try {
    for await (const chunk of content) {
      budget.content(chunk.length);
      for (let done = 0; done < chunk.length;) done += (await writeAt(fd, chunk, done)).bytesWritten;
    }
    const seconds = Math.max(0, attributes.mtimeMs) / 1000;
    futimesSync(fd, seconds, seconds);
    fchmodSync(fd, attributes.mode);
  } finally {
    closeSync(fd);
  }
}
