import { limits } from "../limits.js";
import { inspectJson } from "./json-inspect.js";
import { violation } from "./violation.js";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses JSON of the other end. Refuses, as a `PROTOCOL_VIOLATION` that names the place: invalid UTF-8, more than 4 MiB
 * or 64 levels, duplicate keys, the key `__proto__`, numbers beyond 2^53 - 1, halves of surrogate pairs.
 */
export function parseMessage(bytes: Uint8Array, maxDepth: number = limits.jsonDepth): unknown {
  if (bytes.length > limits.messageBytes) throw violation("too_large", `a message has ${bytes.length} bytes`);
  let source: string;
  try {
    source = utf8.decode(bytes);
  } catch {
    throw violation("bad_message", "a message is not UTF-8");
  }
  inspectJson(source, maxDepth);
  try {
    return JSON.parse(source) as unknown;
  } catch {
    throw violation("bad_message", "a message is not JSON");
  }
}
