import { type FileChangeDocument, type FileWatchEvent, validateGuestPath } from "@mvm/protocol";
import type { EventStream } from "../client/index.js";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";

/** Options for `files.watch`. */
export interface WatchOptions extends CallOptions {
  /** Also everything below, and directories that come later; at most 8192 of them. @default false */
  readonly recursive?: boolean | undefined;
}

/**
 * One change. `modified` is content, mode, owner or times; a file that `files.write` wrote is one `created` or `modified`.
 * `renamed` is within what is watched; what leaves it is `removed`, what comes in `created`. After `overflow` changes have
 * been missed: look again.
 */
export type FileChange =
  | { readonly type: "created" | "modified" | "removed"; readonly path: string; readonly directory: boolean }
  | { readonly type: "renamed"; readonly path: string; readonly from: string; readonly directory: boolean }
  | { readonly type: "overflow" };

/**
 * The changes of one watch: iterate once. The loop ends when the watched path itself is removed or renamed, and with
 * `close`; breaking out of it closes. A consumer that is too slow gets an `overflow` instead of changes.
 */
export class FileWatch implements AsyncIterable<FileChange>, AsyncDisposable {
  /** Resolves when the watch is under way: every later change is told. Rejects with why it is not. */
  readonly ready: Promise<void>;
  readonly #closing = new AbortController();
  readonly #stream: Promise<EventStream<FileWatchEvent>>;

  constructor(target: Target, path: string, options: WatchOptions = {}) {
    const query = { path: validateGuestPath(path), recursive: options.recursive };
    const signals = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const call = callOf(
      target,
      { method: "GET", path: "/files/watch", operation: "files.watch", query },
      { ...options, signal: AbortSignal.any(signals) },
    );
    this.#stream = target.client.stream<FileWatchEvent>(call);
    this.ready = this.#begin();
    this.ready.catch(() => undefined);
  }

  async #begin(): Promise<void> {
    const stream = await this.#stream;
    if ((await stream.next())?.event !== "watching") throw stream.cutShort("watching");
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FileChange, void, undefined> {
    try {
      await this.ready;
      for await (const event of await this.#stream) {
        if (event.event !== "watching") yield fileChange(event);
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) throw error;
    } finally {
      this.close();
    }
  }

  /** Ends the watch. */
  close(): void {
    this.#closing.abort();
    void this.#stream.then(
      (stream) => stream.close(),
      () => undefined,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}

/** The SDK's form of a change. Bytes of a path that are not UTF-8 are U+FFFD. */
function fileChange(document: FileChangeDocument): FileChange {
  if (document.event === "overflow") return { type: "overflow" };
  const path = textOf(document.path, document.path_b64);
  const { directory } = document;
  if (document.event === "renamed") {
    return { type: "renamed", path, from: textOf(document.from, document.from_b64), directory };
  }
  return { type: document.event, path, directory };
}

function textOf(text: string | undefined, base64: string | undefined): string {
  return text ?? Buffer.from(base64 ?? "", "base64").toString("utf8");
}
