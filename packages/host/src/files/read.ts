import { validateGuestPath } from "@mvm/protocol";
import type { Live } from "../sandboxes/sandbox.js";
import { idleGuard } from "./idle.js";

export interface OpenFile {
  /** What fstat said when it was opened, not what will follow. Bytes. */
  readonly size: number;
  readonly mode: number;
  readonly mtimeMs: number;
}

export interface ReadOptions {
  readonly path: string;
  readonly offset?: number;
  readonly length?: number;
  /** The file is open; called before any data. */
  readonly onOpen: (file: OpenFile) => void;
  /** Takes the next bytes; the guest sends more when the promise resolves. */
  readonly onData: (data: Uint8Array) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Reads a file of the guest at the pace of its consumer. Resolves with the number of bytes. */
export async function readFile(live: Live, options: ReadOptions): Promise<number> {
  const { path, offset, length } = options;
  let bytes = 0;
  let opened = false;
  let over = false;
  const request = {
    op: "read",
    path: validateGuestPath(path),
    ...(offset !== undefined && { offset }),
    ...(length !== undefined && { length }),
  };
  const stream = live.session.open(request, {
    manualCredit: true,
    onEvent: (event) => {
      const file = openFileOf(event);
      if (file === undefined || opened) return;
      opened = true;
      options.onOpen(file);
    },
    onData: (data) => {
      guard.clientsTurn();
      bytes += data.byteLength;
      const next = (): void => {
        if (over) return;
        guard.guestsTurn();
        stream.grant(data.byteLength);
      };
      if (opened) void options.onData(data).then(next, next);
    },
  });
  const guard = idleGuard(live, stream, "files.read");
  const cancel = (): void => stream.cancel();
  options.signal.addEventListener("abort", cancel, { once: true });
  try {
    await Promise.race([stream.result, guard.late]);
    return bytes;
  } finally {
    over = true;
    guard.clientsTurn();
    options.signal.removeEventListener("abort", cancel);
  }
}

function openFileOf(event: Record<string, unknown>): OpenFile | undefined {
  const { size, mode, mtime_ms: mtimeMs } = event;
  if (event["event"] !== "file" || !isCount(size) || !isCount(mode) || typeof mtimeMs !== "number") return undefined;
  return { size, mode: mode & 0o7777, mtimeMs };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
