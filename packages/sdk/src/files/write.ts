import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { InvalidArgumentError, validateGuestPath, validateMode } from "@mvm/protocol";
import type { RequestBody } from "../client/index.js";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";

/** What can be written. Streams are read no faster than the guest takes them. */
export type FileContent =
  string | Uint8Array | ArrayBuffer | Blob | Readable | ReadableStream<Uint8Array> | AsyncIterable<string | Uint8Array>;

/** What was written. */
export interface Written {
  readonly bytes: number;
  /** Hex, of the bytes that passed the daemon on their way to the guest: of what was added, when appending. */
  readonly sha256: string;
}

/** Options for `files.write`. */
export interface WriteOptions extends CallOptions {
  /** Permission bits; setuid, setgid and sticky are dropped. @default 0o644 */
  readonly mode?: number | undefined;
  readonly modifiedAt?: Date | undefined;
  /** Fail with `FILE_EXISTS` when the path exists. @default false */
  readonly exclusive?: boolean | undefined;
  /** Write behind what is there, instead of replacing the whole. @default false */
  readonly append?: boolean | undefined;
}

/** The bytes, or what makes a stream of them. Throws `InvalidArgumentError` for what is neither. */
export function contentOf(content: FileContent): RequestBody {
  if (typeof content === "string") return Buffer.from(content);
  if (content instanceof Uint8Array) return content;
  if (content instanceof ArrayBuffer) return new Uint8Array(content);
  if (content instanceof Readable) return () => content;
  if (content instanceof Blob) return () => Readable.from(content.stream(), { highWaterMark: 1 });
  if (typeof content === "object" && content !== null && Symbol.asyncIterator in content) {
    return () => Readable.from(content, { highWaterMark: 1 });
  }
  throw new InvalidArgumentError({
    message: "Cannot write the file: its content is not a string, bytes or a stream of them",
    operation: "files.write",
    context: { argument: "content" },
  });
}

/** What is asked beside the content. Throws `InvalidArgumentError`. */
export function writeQuery(path: string, options: WriteOptions) {
  return {
    path: validateGuestPath(path),
    mode: options.mode === undefined ? undefined : validateMode(options.mode),
    mtime_ms: options.modifiedAt?.getTime(),
    exclusive: options.exclusive,
    append: options.append,
  };
}

/**
 * Writes a file and returns the number of bytes. It has the whole new content or, if anything fails, still the old one;
 * directories above it are made.
 */
export async function write(
  target: Target,
  path: string,
  content: FileContent,
  options: WriteOptions = {},
): Promise<Written> {
  const query = writeQuery(path, options);
  const call = callOf(
    target,
    {
      method: "PUT",
      path: "/files/content",
      operation: "files.write",
      query,
      body: contentOf(content),
      idempotent: options.exclusive !== true && options.append !== true,
      patient: () => true,
    },
    options,
  );
  return target.client.json<Written>(call);
}
