import type { AgentSession, AgentStream } from "../agent/types.js";

/** The guest's half of one connection: its bytes pulled in order, with credit given back only for what was passed on. */
export class GuestConnection {
  /** Resolves when the guest's side is over: true when both directions ended in order. */
  readonly over: Promise<boolean>;
  readonly #stream: AgentStream;
  #chunks: Uint8Array[] = [];
  /** `ended`: the program sends no more. `broken`: its side is gone. */
  #inbound: "open" | "ended" | "broken" = "open";
  #wake: (() => void) | undefined;

  constructor(session: AgentSession, connection: number) {
    this.#stream = session.open(
      { op: "accept", connection },
      {
        manualCredit: true,
        onData: (data) => {
          // The channel's buffer is reused as soon as this returns.
          this.#chunks.push(Buffer.from(data));
          this.#notify();
        },
        onEnd: () => this.#finish("ended"),
      },
    );
    const done = (orderly: boolean): boolean => {
      this.#finish("broken");
      return orderly;
    };
    this.over = this.#stream.result.then(
      () => done(true),
      () => done(false),
    );
  }

  /** The next bytes, or null at their end. Credit is the caller's to give back. Rejects when the guest's side breaks off. */
  async read(): Promise<Uint8Array | null> {
    while (this.#chunks.length === 0) {
      if (this.#inbound === "ended") return null;
      if (this.#inbound === "broken") throw new Error("the guest's side is gone");
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
    this.#finish("broken");
  }

  #finish(how: "ended" | "broken"): void {
    if (this.#inbound === "open") this.#inbound = how;
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
