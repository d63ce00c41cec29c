import { ReadableStream } from "node:stream/web";
import { InvalidArgumentError, invalid, limits, validateGuestPath, wholeNumber } from "@mvm/protocol";
import type { RawAnswer } from "../client/index.js";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";

/** Options for `files.read`. */
export interface ReadOptions extends CallOptions {
  /** `text` decodes UTF-8, `bytes` is a Uint8Array, `stream` is read as it is taken. @default "text" */
  readonly format?: "text" | "bytes" | "stream" | undefined;
  /** First byte. @default 0 */
  readonly offset?: number | undefined;
  /** Bytes at most. @default to the end */
  readonly length?: number | undefined;
}

function streamOf(answer: RawAnswer): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await answer.chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => answer.close(),
    },
    { highWaterMark: 0 },
  );
}

/** The content must be there at once for text and bytes; larger files are streamed. */
function refuseLarge(answer: RawAnswer, path: string): void {
  const length = Number(answer.headers["content-length"] ?? 0);
  if (length <= limits.fileReadBytes) return;
  answer.close();
  throw new InvalidArgumentError({
    message: `Cannot read ${JSON.stringify(path)} at once: its ${length} bytes are more than ${limits.fileReadBytes}`,
    hint: 'Read it with format "stream", or in parts with offset and length',
    operation: "files.read",
    boundary: "filesystem",
  });
}

/** Content of a file, as text, bytes or a stream. */
export async function read(
  target: Target,
  path: string,
  options: ReadOptions = {},
): Promise<string | Uint8Array | ReadableStream<Uint8Array>> {
  const { format = "text", offset, length } = options;
  if (format !== "text" && format !== "bytes" && format !== "stream") {
    throw invalid("format", format, '"text", "bytes" or "stream"');
  }
  const most = Number.MAX_SAFE_INTEGER;
  const query = {
    path: validateGuestPath(path),
    offset: offset === undefined ? undefined : wholeNumber("offset", offset, 0, most, "bytes"),
    length: length === undefined ? undefined : wholeNumber("length", length, 0, most, "bytes"),
  };
  const call = callOf(target, { method: "GET", path: "/files/content", operation: "files.read", query }, options);
  const answer = await target.client.raw(call);
  if (format === "stream") return streamOf(answer);
  refuseLarge(answer, path);
  const content = await answer.body(limits.fileReadBytes);
  return format === "bytes" ? content : content.toString("utf8");
}
