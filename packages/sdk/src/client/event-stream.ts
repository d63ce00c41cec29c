import type { IncomingMessage } from "node:http";
import { fromDocument, isSandboxError, TransportError } from "@mvm/protocol";
import { chunksOf } from "./answer.js";
import type { Call } from "./call.js";
import { ndjson } from "./ndjson.js";

/** A line of a stream of the daemon. */
export interface StreamEvent {
  readonly event: string;
}

/**
 * The events of one streaming call. Iterate once; breaking out of the loop ends the connection, and with it what hangs
 * on it. An `error` event is thrown as the error it describes, a broken connection as a `TransportError`.
 */
export class EventStream<Event extends StreamEvent> implements AsyncIterable<Event> {
  readonly #incoming: IncomingMessage;
  readonly #call: Call;
  readonly #events: AsyncGenerator<Event, void, undefined>;

  constructor(incoming: IncomingMessage, call: Call) {
    this.#incoming = incoming;
    this.#call = call;
    this.#events = this.#read();
  }

  async *#read(): AsyncGenerator<Event, void, undefined> {
    for await (const line of ndjson(chunksOf(this.#incoming, this.#call))) {
      const event = line as Event & { readonly error?: unknown };
      if (typeof line !== "object" || line === null || typeof event.event !== "string") {
        throw new TransportError({
          code: "PROTOCOL_VIOLATION",
          message: `Cannot read the answer to ${this.#call.operation}: a line is no event`,
          operation: this.#call.operation,
        });
      }
      if (event.event === "error") throw fromDocument({ error: event.error }, this.#call);
      yield event;
    }
  }

  /** The next event, or undefined at the end of the stream. */
  async next(): Promise<Event | undefined> {
    const { value, done } = await this.#events.next();
    return done ? undefined : value;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    return this.#events;
  }

  /** The error for a stream that ended without the event that had to come. */
  cutShort(awaited: string): TransportError {
    return new TransportError({
      code: "CHANNEL_LOST",
      message: `Cannot finish ${this.#call.operation}: the daemon ended the stream before "${awaited}"`,
      operation: this.#call.operation,
      sandboxId: this.#call.sandboxId ?? null,
    });
  }

  /** Lets the process exit while the stream is open. */
  unref(): void {
    this.#incoming.socket.unref();
  }

  /** Ends the connection. */
  close(): void {
    this.#incoming.destroy();
  }
}

/** Whether an error says that the connection, not the operation, failed. */
export function isConnectionError(error: unknown): boolean {
  return isSandboxError(error) && error.boundary === "transport";
}
