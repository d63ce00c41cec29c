import { Duplex } from "node:stream";
import type { GuestConnection } from "./guest-connection.js";
import type { Traffic } from "./splice.js";

/** The guest's half of one connection as Node's TLS takes it. Credit goes back for what has been taken. */
export class GuestDuplex extends Duplex {
  #held = 0;

  constructor(
    private readonly guest: GuestConnection,
    private readonly traffic: Traffic,
  ) {
    super({ allowHalfOpen: true });
    void guest.over.then((orderly) => {
      if (!orderly) this.destroy();
    });
  }

  override _read(): void {
    if (this.#held > 0) this.guest.passed(this.#held);
    this.traffic.sent += this.#held;
    this.#held = 0;
    this.guest.read().then(
      (chunk) => {
        this.#held = chunk?.length ?? 0;
        this.push(chunk);
      },
      (error: Error) => this.destroy(error),
    );
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.guest.write(chunk).then((written) => {
      if (!written) return done(new Error("the guest's side is gone"));
      this.traffic.received += chunk.length;
      done();
    }, done);
  }

  override _final(done: () => void): void {
    this.guest.end();
    done();
  }
}
