import { violation } from "./violation.js";

const quote = 0x22;
const backslash = 0x5c;
const surrogate = /\p{Surrogate}/u;

interface Level {
  /** Null in an array. */
  readonly keys: Set<string> | null;
  at: string | number;
}

/** JSON that would be read in silence as something else, and where: its levels as a path of at most 200 characters. */
export class JsonRefusal extends Error {
  readonly path: string;

  constructor(what: string, path: string) {
    super(what);
    this.path = path;
  }
}

function refuse(levels: readonly Level[], what: string): never {
  const path = levels.map((level) => `/${String(level.at).slice(0, 64)}`).join("");
  throw new JsonRefusal(what, path.slice(0, 200));
}

/** Index behind the string that begins at `start`. No regular expression: those have a stack that 4 MiB can exhaust. */
function endOfString(source: string, start: number, levels: readonly Level[]): number {
  for (let at = start; ;) {
    at = source.indexOf('"', at + 1);
    if (at === -1) return refuse(levels, "JSON has an unterminated string");
    let slashes = 0;
    while (source.charCodeAt(at - 1 - slashes) === backslash) slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
}

function stringValue(literal: string, levels: readonly Level[]): string {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  let value: string;
  try {
    value = JSON.parse(literal) as string;
  } catch {
    return refuse(levels, "JSON has a malformed string");
  }
  return surrogate.test(value) ? refuse(levels, "JSON has half a surrogate pair") : value;
}

const inNumber = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2d || code === 0x2e || code === 0x45 || code === 0x65;

function endOfNumber(source: string, start: number): number {
  let at = start + 1;
  while (inNumber(source.charCodeAt(at))) at++;
  return at;
}

/** As {@link scanJson} for what the other end of the channel sent. Throws a `PROTOCOL_VIOLATION`. */
export function inspectJson(source: string, maxDepth: number): void {
  try {
    scanJson(source, maxDepth);
  } catch (error) {
    if (!(error instanceof JsonRefusal)) throw error;
    throw violation("bad_message", `${error.message} at ${JSON.stringify(error.path || "/")}`);
  }
}

/**
 * Refuses what `JSON.parse` silently accepts: too deep, a key twice, `__proto__`, numbers it cannot hold, half a
 * surrogate pair. Looks at tokens only; the grammar is `JSON.parse`'s business. Throws a {@link JsonRefusal}.
 */
export function scanJson(source: string, maxDepth: number): void {
  const levels: Level[] = [];
  let keyNext = false;
  for (let at = 0; at < source.length;) {
    const code = source.charCodeAt(at);
    const top = levels.at(-1);
    if (code === quote) {
      const end = endOfString(source, at, levels);
      const value = stringValue(source.slice(at, end), levels);
      at = end;
      if (top?.keys && keyNext) {
        top.at = value;
        if (value === "__proto__") refuse(levels, "JSON has the key __proto__");
        if (top.keys.has(value)) refuse(levels, "JSON has a key twice");
        top.keys.add(value);
      }
      keyNext = false;
    } else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const end = endOfNumber(source, at);
      if (Math.abs(Number(source.slice(at, end))) > Number.MAX_SAFE_INTEGER) {
        refuse(levels, "JSON has a number beyond 2^53");
      }
      at = end;
    } else {
      at++;
      if (code === 0x7b || code === 0x5b) {
        if (levels.length === maxDepth) refuse(levels, `JSON is deeper than ${maxDepth} levels`);
        levels.push(code === 0x7b ? { keys: new Set(), at: "" } : { keys: null, at: 0 });
        keyNext = code === 0x7b;
      } else if (code === 0x7d || code === 0x5d) {
        levels.pop();
      } else if (code === 0x2c) {
        if (top?.keys === null) top.at = Number(top.at) + 1;
        keyNext = top?.keys !== null;
      }
    }
  }
}
