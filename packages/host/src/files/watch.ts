import { type FileChangeDocument, limits, TransportError, validateGuestPath } from "@mvm/protocol";
import { FileChangeSchema } from "@mvm/protocol/schemas";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import type { Live } from "../sandboxes/sandbox.js";
import { idleGuard } from "./idle.js";

export interface WatchOptions {
  readonly path: string;
  readonly recursive: boolean;
  /** The watch is under way: what changes from now on is told. */
  readonly onWatching: () => void;
  /** Takes the next change; the guest sends no more than one credit ahead of its promise. */
  readonly onChange: (change: FileChangeDocument) => void | Promise<void>;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

let compiled: TypeCheck<typeof FileChangeSchema> | undefined;

/**
 * Tells what changes at a path of the guest. Resolves when the path itself is removed or renamed; the watch then has nothing
 * to look at any more. A consumer that is too slow makes the guest's kernel drop changes, which is told as `overflow`.
 */
export async function watchFiles(live: Live, options: WatchOptions): Promise<void> {
  const request = { op: "watch", path: validateGuestPath(options.path), recursive: options.recursive };
  let rest = Buffer.alloc(0);
  let queue = Promise.resolve();
  const broken = new AbortController();
  const stream = live.session.open(request, {
    manualCredit: true,
    onEvent: ({ event }) => {
      if (event !== "watching") return;
      guard.clientsTurn();
      options.onWatching();
    },
    onData: (data) => {
      const lines = Buffer.concat([rest, data]);
      const end = lines.lastIndexOf(0x0a) + 1;
      rest = lines.subarray(end);
      if (rest.byteLength > limits.watchLineBytes) return broken.abort(violation());
      const changes = lines.subarray(0, end);
      const bytes = data.byteLength;
      queue = queue.then(() => deliver(changes, options)).then(() => stream.grant(bytes));
      queue.catch((error: unknown) => broken.abort(error));
    },
  });
  const guard = idleGuard(live, stream, "files.watch");
  const cancel = (): void => stream.cancel();
  options.signal.addEventListener("abort", cancel, { once: true });
  const failed = new Promise<never>((_resolve, reject) => {
    broken.signal.addEventListener("abort", () => (stream.cancel(), reject(broken.signal.reason as Error)));
  });
  try {
    await Promise.race([stream.result, guard.late, failed]);
    await queue;
  } finally {
    guard.clientsTurn();
    options.signal.removeEventListener("abort", cancel);
  }
}

async function deliver(lines: Buffer, { onChange, signal }: WatchOptions): Promise<void> {
  compiled ??= TypeCompiler.Compile(FileChangeSchema);
  for (const line of lines.toString("utf8").split("\n")) {
    if (line === "") continue;
    if (signal.aborted) return;
    const change = parse(line);
    if (!compiled.Check(change)) throw violation();
    await onChange(change);
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    throw violation();
  }
}

/** A guest that tells of changes in another form is not believed in anything else it says on this stream. */
function violation(): TransportError {
  return new TransportError({
    code: "PROTOCOL_VIOLATION",
    message: "Cannot watch the files: the guest's account of a change is not valid",
    operation: "files.watch",
  });
}
