import { limits, TransportError } from "@mvm/protocol";

const newline = 0x0a;

function parse(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString("utf8")) as unknown;
  } catch {
    // Not the cause: the parser's message quotes what it read.
    throw new TransportError({
      code: "PROTOCOL_VIOLATION",
      message: "Cannot read the daemon's stream: a line is not JSON",
    });
  }
}

/**
 * The objects of an NDJSON stream, one at a time: the source is read no faster than they are taken. Holds one unfinished
 * line of at most `limit` bytes. Throws a `PROTOCOL_VIOLATION` for a longer or malformed one.
 */
export async function* ndjson(
  source: AsyncIterable<Buffer>,
  limit: number = limits.ndjsonLineBytes,
): AsyncGenerator<unknown, void, undefined> {
  let parts: Buffer[] = [];
  let held = 0;
  const check = (bytes: number) => {
    if (bytes <= limit) return;
    throw new TransportError({
      code: "PROTOCOL_VIOLATION",
      message: `Cannot read the daemon's stream: a line is longer than ${limit} bytes`,
    });
  };
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      const rest = chunk.subarray(start, end);
      check(held + rest.length);
      const line = held === 0 ? rest : Buffer.concat([...parts, rest]);
      start = end + 1;
      parts = [];
      held = 0;
      if (line.length > 0) yield parse(line);
    }
    if (start < chunk.length) {
      parts.push(chunk.subarray(start));
      held += chunk.length - start;
      check(held);
    }
  }
  if (held > 0) yield parse(Buffer.concat(parts));
}
