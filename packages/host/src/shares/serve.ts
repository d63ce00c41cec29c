import type { Duplex } from "node:stream";
import { inHeaderBytes } from "./wire.js";

/** In front of every message: the number of the share it is about. Bytes. */
const prefixBytes = 4;
/** A write of the largest size with its header. The guest's relay sends no more. */
const maxMessageBytes = 262_144;
/** Questions that are worked on at a time; the others wait in the guest. */
const maxInFlight = 32;

/** Who answers the questions about one share. */
export interface Answerer {
  answer(message: Buffer): Promise<Buffer | undefined>;
  close(): void;
}

/**
 * Answers what comes over the port of the shares until it closes, and closes the shares then. A guest whose messages are none
 * loses its shares, not its machine.
 * @returns why it ended; undefined when the port was closed
 */
export async function serveShares(port: Duplex, shares: readonly Answerer[]): Promise<string | undefined> {
  let inFlight = 0;
  let problem: string | undefined;
  let slotFree: (() => void) | undefined;
  const work = async (share: Answerer, prefix: Buffer, message: Buffer): Promise<void> => {
    try {
      const answer = await share.answer(message);
      // Until it has left: a guest that asks and does not read the answers gets no further questions in.
      if (answer !== undefined) await sent(port, Buffer.concat([prefix, answer]));
    } catch (error) {
      problem ??= (error as Error).message;
      port.destroy();
    } finally {
      inFlight -= 1;
      slotFree?.();
    }
  };
  const drained = (): Promise<void> => new Promise((resolve) => (slotFree = resolve));
  try {
    for await (const { share, prefix, message } of messages(port, shares)) {
      inFlight += 1;
      void work(share, prefix, message);
      while (inFlight >= maxInFlight) await drained();
    }
  } catch (error) {
    if (error instanceof RangeError) problem ??= error.message;
  } finally {
    port.destroy();
    while (inFlight > 0) await drained();
    for (const share of shares) share.close();
  }
  return problem;
}

/** Resolves when the bytes have left, or never can. */
function sent(port: Duplex, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (!port.writable) resolve();
    else port.write(bytes, () => resolve());
  });
}

interface Arrived {
  readonly share: Answerer;
  readonly prefix: Buffer;
  readonly message: Buffer;
}

/** The messages of a byte stream. @throws {RangeError} a length or a share that there cannot be */
async function* messages(port: Duplex, shares: readonly Answerer[]): AsyncGenerator<Arrived> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of port as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= prefixBytes + inHeaderBytes) {
      const share = shares[rest.readUInt32LE(0)];
      const length = rest.readUInt32LE(prefixBytes);
      if (share === undefined) throw new RangeError("a message about a share that there is not");
      if (length < inHeaderBytes || length > maxMessageBytes) throw new RangeError("a message of impossible length");
      if (rest.length < prefixBytes + length) break;
      const prefix = rest.subarray(0, prefixBytes);
      yield { share, prefix, message: rest.subarray(prefixBytes, prefixBytes + length) };
      rest = rest.subarray(prefixBytes + length);
    }
  }
}
