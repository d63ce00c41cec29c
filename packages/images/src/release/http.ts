import { deadline } from "@mvm/protocol";
import { SourceError } from "./source-error.js";

/** A body that brings fewer bytes than these in the time a server has to answer is given up. */
const leastBytes = 16 * 1024;

/**
 * Asks a server, and waits for the head of its answer for so long; what follows has a patience of its own.
 * @throws {SourceError}
 */
export async function ask(
  url: URL | string,
  request: { headers: Record<string, string>; redirect?: "error" },
  signal: AbortSignal,
  answerMs = deadline("assetAnswer"),
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`it did not answer within ${answerMs / 1000} s`)), answerMs);
  try {
    return await fetch(url, { ...request, signal: AbortSignal.any([signal, late.signal]) });
  } catch (cause) {
    signal.throwIfAborted();
    throw new SourceError("transient", reasonOf(cause), { cause });
  } finally {
    // From here on it would end the body, however well that goes.
    clearTimeout(timer);
  }
}

/** What an answer without content means. */
export function refusal({ status, headers }: Response): SourceError {
  if (status === 404 || status === 410) return new SourceError("missing", `HTTP ${status}`);
  // 206: another part than was asked for; 416: what is here already is no beginning of the file there.
  const later = status >= 500 || [206, 408, 416, 425, 429].includes(status);
  const afterMs = later ? waitOf(headers.get("retry-after")) : undefined;
  const wish = afterMs === undefined ? "" : `, and wants to be asked again in ${Math.ceil(afterMs / 1000)} s`;
  return new SourceError(later ? "transient" : "permanent", `HTTP ${status}${wish}`, { afterMs });
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. */
function waitOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** Passes the chunks of a body on. One that breaks, stops or only drips may go better the next time. @throws {SourceError} */
export async function* bodyOf(
  response: Response,
  signal: AbortSignal,
  answerMs = deadline("assetAnswer"),
): AsyncGenerator<Uint8Array, void, undefined> {
  if (response.body === null) throw new SourceError("transient", "the server sent no content");
  const reader: ReadableStreamDefaultReader<Uint8Array> = (response.body as ReadableStream<Uint8Array>).getReader();
  // Only waiting for the server counts, not what is done with its bytes.
  let left = answerMs;
  let came = 0;
  try {
    for (;;) {
      const began = performance.now();
      const chunk = await within(reader.read(), left, () => `${came} bytes came in ${answerMs / 1000} s`);
      if (chunk.done) return;
      left -= performance.now() - began;
      came += chunk.value.length;
      if (came >= leastBytes) [left, came] = [answerMs, 0];
      yield chunk.value;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw cause instanceof SourceError ? cause : new SourceError("transient", reasonOf(cause), { cause });
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** A small body whole, all of it in the time a server has to answer; undefined: it is longer than allowed. @throws {SourceError} */
export async function smallBodyOf(
  response: Response,
  limit: number,
  signal: AbortSignal,
  answerMs = deadline("assetAnswer"),
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const until = performance.now() + answerMs;
  for await (const chunk of bodyOf(response, signal, answerMs)) {
    size += chunk.length;
    if (size > limit) return undefined;
    if (performance.now() > until) {
      throw new SourceError("transient", `${size} bytes came in ${answerMs / 1000} s`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function within<T>(promise: Promise<T>, ms: number, why: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new SourceError("transient", `only ${why()}`)), Math.max(0, ms));
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** `fetch` says no more than "fetch failed"; what failed stands in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
