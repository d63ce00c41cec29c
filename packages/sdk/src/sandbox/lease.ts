import type { CreateStreamEvent, EndedEvent } from "@mvm/protocol";
import type { EventStream } from "../client/index.js";

/**
 * The open stream of the create call: as long as it is open the sandbox lives, and it ends with this process however that
 * ends. It does not keep the process alive.
 */
export class Lease {
  readonly #stream: EventStream<CreateStreamEvent>;
  #closed = false;
  /** What the daemon said last when the connection ended; null when it ended without a word. Never rejects. */
  readonly ended: Promise<EndedEvent | null>;

  constructor(stream: EventStream<CreateStreamEvent>) {
    this.#stream = stream;
    stream.unref();
    this.ended = this.#follow();
  }

  /** Whether the connection is open as far as is known. */
  get held(): boolean {
    return !this.#closed;
  }

  async #follow(): Promise<EndedEvent | null> {
    let ended: EndedEvent | null = null;
    try {
      // A sandbox that failed stays, with its logs, until this side gives it up: the first end may not be the last.
      for await (const event of this.#stream) if (event.event === "ended") ended = event;
    } catch {
      // A broken connection says no more than that the lease is over; the next call learns what became of the sandbox.
    } finally {
      this.#closed = true;
    }
    return ended;
  }

  /** Gives the sandbox up: the daemon destroys it within a second. */
  close(): void {
    this.#closed = true;
    this.#stream.close();
  }
}
