import type { AgentSession, AgentStream } from "../agent/types.js";

/** The guest's half of one connection: its bytes pulled in order, with credit given back only for what was passed on. */
export class GuestConnection {
  /** Resolves when the guest's side is over: true when both directions ended in order. */
  readonly over: Promise<boolean>;
  readonly #stream: AgentStream;
  #chunks: Uint8Array[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(session: AgentSession, connection: number) {
    this.#stream = session.open(
      { op: "accept", connection },
      {
        manualCredit: true,
        onData: (data) => {
          // The channel's buffer is reused as soon as this returns.
          this.#chunks.push(Uint8Array.from(data));
          this.#notify();
        },
        onEnd: () => this.#finish(),
      },
    );
    const done = (orderly: boolean): boolean => {
      this.#finish();
      return orderly;
    };
    this.over = this.#stream.result.then(
      () => done(true),
      () => done(false),
    );
  }

  /** The next bytes, or null at their end. Credit is the caller's to give back. */
  async read(): Promise<Uint8Array | null> {
    while (this.#chunks.length === 0) {
      if (this.#ended) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#chunks.shift() ?? null;
  }

  /** These bytes were read, looked at, and are to be read again. */
  unread(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#chunks.unshift(bytes);
  }

  /** Gives credit back for bytes that have left the daemon. */
  passed(bytes: number): void {
    this.#stream.grant(bytes);
  }

  /** False when the guest's side is over. Waits for the guest's credit. */
  write(data: Uint8Array): Promise<boolean> {
    return this.#stream.write(data);
  }

  end(): void {
    this.#stream.end();
  }

  /** The program in the guest sees a reset. */
  reset(): void {
    this.#stream.cancel();
    this.#finish();
  }

  #finish(): void {
    this.#ended = true;
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
