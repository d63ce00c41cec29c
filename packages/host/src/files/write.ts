import { InvalidArgumentError, validateGuestPath } from "@mvm/protocol";
import { checkedAnswer } from "../sandboxes/agent-answer.js";
import type { Live } from "../sandboxes/sandbox.js";
import { idleGuard } from "./idle.js";

export interface WriteOptions {
  readonly path: string;
  readonly mode?: number;
  readonly mtimeMs?: number;
  readonly exclusive?: boolean;
  readonly append?: boolean;
  /** Bytes that will come, when it is known: a shorter upload leaves the old content. */
  readonly size?: number;
  readonly body: AsyncIterable<unknown>;
}

/**
 * Replaces a file of the guest by what the body brings. The old content stays unless the whole body came: an upload that
 * breaks off is cancelled. Resolves with the number of bytes.
 */
export async function writeFile(live: Live, options: WriteOptions): Promise<number> {
  const { mode, mtimeMs, exclusive, append, size } = options;
  const stream = live.session.open({
    op: "write",
    path: validateGuestPath(options.path),
    ...(mode !== undefined && { mode }),
    ...(mtimeMs !== undefined && { mtime_ms: mtimeMs }),
    ...(exclusive !== undefined && { exclusive }),
    ...(append !== undefined && { append }),
    ...(size !== undefined && { size }),
  });
  const guard = idleGuard(live, stream, "files.write");
  // The guest may refuse at any time, a full disk for example; then nobody reads what is still to come.
  let refused: (error: unknown) => void = () => undefined;
  const refusal = new Promise<never>((_resolve, reject) => (refused = reject));
  refusal.catch(() => undefined);
  stream.result.catch(refused);
  try {
    guard.clientsTurn();
    for await (const chunk of options.body) {
      guard.guestsTurn();
      await Promise.race([stream.write(chunk as Buffer), refusal, guard.late]);
      guard.clientsTurn();
    }
    stream.end();
    guard.guestsTurn();
    const { bytes } = checkedAnswer("write", await Promise.race([stream.result, guard.late]));
    return bytes;
  } catch (error) {
    stream.cancel();
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") {
      throw new InvalidArgumentError({
        message: "Cannot write the file: the upload broke off",
        outcome: "not_started",
      });
    }
    throw error;
  } finally {
    guard.clientsTurn();
  }
}
