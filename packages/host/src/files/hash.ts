import { createHash, type Hash } from "node:crypto";
import type { Socket } from "node:net";
import type { Live } from "../sandboxes/sandbox.js";
import { readFile } from "./read.js";

/**
 * SHA-256 in hex of a file's content as the guest hands it out now. The bytes pass this process, so it is an observation and
 * not a claim; what the guest hands out next time is another matter. Given up when the caller's connection ends.
 */
export async function hashFile(live: Live, path: string, caller: Socket): Promise<string> {
  const hash = createHash("sha256");
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  caller.once("close", abort);
  try {
    await readFile(live, {
      ...{ path, signal: gone.signal },
      onOpen: () => undefined,
      onData: (data) => {
        hash.update(data);
        return Promise.resolve();
      },
    });
  } finally {
    caller.off("close", abort);
  }
  return hash.digest("hex");
}

/** The chunks as they are, hashed on the way. */
export async function* hashed(chunks: AsyncIterable<unknown>, hash: Hash): AsyncGenerator<unknown, void, undefined> {
  for await (const chunk of chunks) {
    hash.update(chunk as Buffer);
    yield chunk;
  }
}
