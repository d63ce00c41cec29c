import { fromAgentError, limits } from "@mvm/protocol";
import { creditOf, type Frame, frameName, FrameType, parseMessage } from "@mvm/protocol/frames";
import { checkError, checkEvent } from "./answers.js";
import type { Outbox } from "./outbox.js";
import type { AgentStream, StreamHandlers } from "./types.js";

/** Consumed bytes are granted back in portions: one CREDIT frame for every DATA frame would double the wake-ups. */
const grantPortion = limits.initialCreditBytes / 4;

/** One request on the channel: its credit in both directions, its answer. Frames reach it in order. */
export class RequestStream implements AgentStream {
  readonly result: Promise<unknown>;
  readonly op: string;
  readonly #id: number;
  readonly #outbox: Outbox;
  readonly #handlers: StreamHandlers;
  readonly #forget: () => void;
  #resolve!: (result: unknown) => void;
  #reject!: (error: Error) => void;
  #over = false;
  #ended = false;
  /** Bytes the guest may still send. */
  #allowed: number = limits.initialCreditBytes;
  /** Bytes consumed here and not granted back yet. */
  #owed = 0;
  /** Bytes this side may still send. */
  #credit: number = limits.initialCreditBytes;
  #wake: (() => void) | undefined;

  constructor(id: number, op: string, outbox: Outbox, handlers: StreamHandlers, forget: () => void) {
    this.#id = id;
    this.op = op;
    this.#outbox = outbox;
    this.#handlers = handlers;
    this.#forget = forget;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.result.catch(() => undefined);
  }

  async write(data: Uint8Array): Promise<boolean> {
    for (let at = 0; at < data.length;) {
      await this.#outbox.drained();
      if (this.#over || this.#ended) return false;
      if (this.#credit === 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      const size = Math.min(data.length - at, this.#credit, limits.framePayloadBytes);
      this.#credit -= size;
      this.#outbox.frame(FrameType.DATA, this.#id, data.subarray(at, at + size));
      at += size;
    }
    return true;
  }

  end(): void {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    this.#outbox.frame(FrameType.END, this.#id);
  }

  cancel(): void {
    if (!this.#over) this.#outbox.frame(FrameType.CANCEL, this.#id);
  }

  grant(bytes: number): void {
    this.#owed += bytes;
    if (this.#over || this.#owed < grantPortion) return;
    this.#allowed += this.#owed;
    const payload = Buffer.allocUnsafe(4);
    payload.writeUInt32LE(this.#owed);
    this.#owed = 0;
    this.#outbox.frame(FrameType.CREDIT, this.#id, payload);
  }

  /** Ends the stream from this side's knowledge: the session is over. */
  fail(error: Error): void {
    if (this.#close()) this.#reject(error);
  }

  /** @throws when the guest does what the channel does not allow */
  receive(frame: Frame): void {
    switch (frame.type) {
      case FrameType.DATA:
        return this.#data(frame.payload, this.#handlers.onData);
      case FrameType.DATA_ERR:
        return this.#data(frame.payload, this.#handlers.onDataErr);
      case FrameType.EVENT: {
        // Checked whether anybody listens or not: a guest that lies in one place is not believed in another.
        const event = checkEvent(parseMessage(frame.payload));
        return this.#handlers.onEvent?.(event);
      }
      case FrameType.END:
        return this.#handlers.onEnd?.();
      case FrameType.CREDIT:
        this.#credit += creditOf(frame.payload);
        this.#wakeWriter();
        return;
      case FrameType.ERROR: {
        const answer = checkError(parseMessage(frame.payload));
        if (this.#close()) this.#reject(fromAgentError(answer, { op: this.op, operation: this.op }));
        return;
      }
      default:
        throw new Error(`${frameName(frame.type)} on a request's stream`);
    }
  }

  /** The RESULT of this request, joined and parsed. */
  answer(message: unknown): void {
    if (this.#close()) this.#resolve(message);
  }

  #data(payload: Uint8Array, handler: ((data: Uint8Array) => void) | undefined): void {
    if (payload.length > this.#allowed)
      throw new Error(`${payload.length} bytes of data with ${this.#allowed} allowed`);
    this.#allowed -= payload.length;
    handler?.(payload);
    if (this.#handlers.manualCredit !== true) this.grant(payload.length);
  }

  #close(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#forget();
    this.#wakeWriter();
    return true;
  }

  #wakeWriter(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
