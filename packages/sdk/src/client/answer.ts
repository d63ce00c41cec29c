import type { IncomingMessage } from "node:http";
import { fromDocument, limits, TransportError } from "@mvm/protocol";
import type { Call } from "./call.js";
import { exchangeError, timedOut } from "./http.js";

/** The chunks of an answer; a broken connection is an error of mvm. Nothing is read ahead of the consumer. */
export async function* chunksOf(incoming: IncomingMessage, call: Call): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of incoming) yield chunk as Buffer;
  } catch (error) {
    throw exchangeError(error, call, true);
  }
}

/** The whole answer. Rejects with `PROTOCOL_VIOLATION` for more than `limit` bytes, with `Timeout` when it stalls. */
export async function bodyOf(
  incoming: IncomingMessage,
  call: Call,
  timeoutMs: number,
  limit: number = limits.ndjsonLineBytes,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => incoming.destroy(timedOut(call, timeoutMs, true)), timeoutMs);
  try {
    for await (const chunk of chunksOf(incoming, call)) {
      bytes += chunk.length;
      if (bytes > limit) {
        throw new TransportError({
          code: "PROTOCOL_VIOLATION",
          message: `Cannot read the answer to ${call.operation}: it is longer than ${limit} bytes`,
          operation: call.operation,
        });
      }
      chunks.push(chunk);
      timer.refresh();
    }
  } finally {
    clearTimeout(timer);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes);
}

/** The parsed answer. */
export async function jsonOf(incoming: IncomingMessage, call: Call, timeoutMs: number): Promise<unknown> {
  const body = await bodyOf(incoming, call, timeoutMs);
  try {
    return JSON.parse(body.toString("utf8")) as unknown;
  } catch {
    // Not the cause: the parser's message quotes what it read.
    throw new TransportError({
      code: "PROTOCOL_VIOLATION",
      message: `Cannot read the answer to ${call.operation}: it is not JSON`,
      operation: call.operation,
    });
  }
}

/** Whether the status says that the call was done. */
export function succeeded(incoming: IncomingMessage): boolean {
  const status = incoming.statusCode ?? 0;
  return status >= 200 && status < 300;
}

/** Throws the error that an answer with another status carries. */
export async function throwAnswer(incoming: IncomingMessage, call: Call, timeoutMs: number): Promise<never> {
  throw fromDocument(await jsonOf(incoming, call, timeoutMs), call);
}
