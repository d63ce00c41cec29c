import type { Duplex } from "node:stream";
import { encodeFrame, encodeMessage, type FrameType } from "@mvm/protocol/frames";

/**
 * What goes towards the guest. Control frames are written at once; senders of data wait for `drained` before each frame,
 * so that a guest that does not read holds up its own data and nothing piles up here.
 */
export class Outbox {
  readonly #channel: Duplex;
  #full = false;
  #closed = false;
  #waiting: (() => void)[] = [];

  constructor(channel: Duplex) {
    this.#channel = channel;
    channel.on("drain", () => this.#wake());
    channel.on("close", () => this.close());
  }

  raw(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (!this.#channel.write(bytes)) this.#full = true;
  }

  frame(type: FrameType, stream: number, payload?: Uint8Array): void {
    this.#channel.cork();
    for (const part of encodeFrame(type, stream, payload)) this.raw(part);
    this.#channel.uncork();
  }

  /** A JSON message, split into several frames when it is larger than one. @throws {InvalidArgumentError} over the limit */
  message(type: FrameType, stream: number, message: object): void {
    this.#channel.cork();
    for (const part of encodeMessage(type, stream, message)) this.raw(part);
    this.#channel.uncork();
  }

  /** Resolves when the channel takes more. */
  drained(): Promise<void> {
    if (!this.#full || this.#closed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    this.#full = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
