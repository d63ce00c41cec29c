import type { Writable } from "node:stream";
import { createError } from "@mvm/protocol/errors";

/** Where bytes go: a write is done when the operating system has taken it, which is the back-pressure. */
export interface Sink {
  readonly isTTY: boolean;
  /** Width of the terminal; undefined when it is none. */
  readonly columns: number | undefined;
  write(chunk: string | Uint8Array): Promise<void>;
}

type Stream = Writable & { isTTY?: boolean; columns?: number };

/**
 * Wraps stdout or stderr, opened at the first use: Node takes milliseconds to set a stream up, and a command may never
 * write. When the reader is gone (`| head`), `onClosed` is told once and later writes are dropped. Any other failure of
 * the stream, a full disk for example, rejects the write.
 */
export function sinkOf(open: () => Stream, onClosed: () => void): Sink {
  let opened: Stream | undefined;
  let closed = false;
  const gone = (error: NodeJS.ErrnoException): boolean => {
    if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") return false;
    if (!closed) onClosed();
    return (closed = true);
  };
  const stream = () => (opened ??= open().on("error", gone));
  return {
    get isTTY() {
      return stream().isTTY === true;
    },
    get columns() {
      return stream().isTTY === true ? stream().columns : undefined;
    },
    write: (chunk) =>
      new Promise((resolve, reject) => {
        if (closed || chunk.length === 0) return resolve();
        stream().write(chunk, (error) => {
          if (error === null || error === undefined || gone(error)) resolve();
          else reject(unwritable(error));
        });
      }),
  };
}

/** A full disk behind a redirection, for example: the command may have had its effect, its output did not arrive. */
function unwritable(cause: NodeJS.ErrnoException): Error {
  return createError("TRANSPORT_FAILED", {
    message: `Cannot write the output: ${cause.code ?? cause.message}`,
    hint: "Check where stdout is redirected to, and the free space there",
    outcome: "unknown",
    cause,
  });
}
