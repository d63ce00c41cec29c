import { PermanentError } from "@mvm/protocol";

/** Stands where a protected value stood. */
export const redacted = "[redacted]";
const marker = (_length: number): Buffer => Buffer.from(redacted);

/** Shorter forms of a value say too little, and would be found everywhere. Bytes. */
const shortestForm = 4;

/** A stream's part of a redaction: bytes in, bytes out, and what could be the beginning of a value waits for the rest. */
export interface RedactedStream {
  push(chunk: Buffer): Buffer;
  /** What still waits; the stream has ended. */
  flush(): Buffer;
}

/** A form of a value, and for each of its prefixes how long the longest prefix is that also ends it (Knuth, Morris, Pratt). */
interface Form {
  readonly bytes: Buffer;
  readonly borders: Int32Array;
}

/**
 * Takes protected values out of everything a sandbox says to its callers: results, streams and logs. Finds them wherever they
 * begin and end: raw, in base64 and hex, and as URLs and JSON escape them. Protects nothing until it is told to, and then
 * holds back no more of a stream than could be the beginning of a value.
 */
export class Redactor {
  private forms: readonly Form[] = [];

  /** Protects these values as well, from now on and for good: what a guest has had once it may still say. */
  protect(values: readonly string[]): void {
    const fresh = values.flatMap(formsOf).filter((form) => Buffer.byteLength(form) >= shortestForm);
    const forms = new Set([...this.forms.map(({ bytes }) => bytes.toString()), ...fresh]);
    // The longest first, so that a value that begins with another is taken out as a whole.
    this.forms = [...forms]
      .map((form) => Buffer.from(form))
      .sort((a, b) => b.length - a.length)
      .map((bytes) => ({ bytes, borders: bordersOf(bytes) }));
  }

  /** A text that is there as a whole. */
  text(text: string): string {
    return this.forms.length === 0 ? text : this.take(Buffer.from(text), Infinity).clean.toString("utf8");
  }

  /**
   * For bytes that come in pieces, whose borders say nothing.
   * @param instead what stands in the place of so many bytes
   */
  stream(instead: (length: number) => Buffer = marker): RedactedStream {
    let held: Buffer = Buffer.alloc(0);
    return {
      push: (chunk) => {
        if (this.forms.length === 0 && held.length === 0) return chunk;
        const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
        const { clean, rest } = this.take(bytes, bytes.length - this.beginning(bytes), instead);
        // A copy: the chunk's buffer is its sender's.
        held = Buffer.from(rest);
        return clean;
      },
      flush: () => {
        const { clean } = this.take(held, Infinity, instead);
        held = Buffer.alloc(0);
        return clean;
      },
    };
  }

  /** Takes out the values that begin before `until`, and leaves what is behind that and behind the last of them. */
  private take(bytes: Buffer, until: number, instead = marker): { clean: Buffer; rest: Buffer } {
    const parts: Buffer[] = [];
    const places = this.forms.map(() => -1);
    let at = 0;
    for (;;) {
      const next = this.find(bytes, at, places);
      if (next === undefined || next.index >= until) break;
      parts.push(bytes.subarray(at, next.index), instead(next.length));
      at = next.index + next.length;
    }
    const end = Math.max(at, Math.min(until, bytes.length));
    const tail = bytes.subarray(at, end);
    return { clean: at === 0 ? tail : Buffer.concat([...parts, tail]), rest: bytes.subarray(end) };
  }

  /**
   * The first form from a position on; of several there the longest. Remembers in `places` where each form comes next, so
   * that bytes full of values are looked through once a form, not once a value.
   */
  private find(
    bytes: Buffer,
    from: number,
    places: number[],
  ): { readonly index: number; readonly length: number } | undefined {
    let found: { index: number; length: number } | undefined;
    for (const [at, { bytes: form }] of this.forms.entries()) {
      let index = places[at] ?? -1;
      if (index < from) {
        const next = bytes.indexOf(form, from);
        places[at] = index = next < 0 ? Infinity : next;
      }
      if (index !== Infinity && (found === undefined || index < found.index)) found = { index, length: form.length };
    }
    return found;
  }

  /** How many bytes at the end could be the beginning of a form. */
  private beginning(bytes: Buffer): number {
    return Math.max(0, ...this.forms.map((form) => beginningOf(form, bytes)));
  }
}

function bordersOf(form: Buffer): Int32Array {
  const borders = new Int32Array(form.length);
  for (let at = 1, border = 0; at < form.length; at++) {
    while (border > 0 && form[at] !== form[border]) border = borders[border - 1] ?? 0;
    if (form[at] === form[border]) border += 1;
    borders[at] = border;
  }
  return borders;
}

/** Length of the longest beginning of the form, short of the whole, that the bytes end with. */
function beginningOf({ bytes: form, borders }: Form, bytes: Buffer): number {
  let matched = 0;
  for (let at = Math.max(0, bytes.length - form.length + 1); at < bytes.length; at++) {
    while (matched > 0 && bytes[at] !== form[matched]) matched = borders[matched - 1] ?? 0;
    if (bytes[at] === form[matched]) matched += 1;
  }
  return matched;
}

/** A value as it may appear: itself, escaped, and in base64 wherever in the encoded bytes it begins. */
function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  const encoded = [0, 1, 2].flatMap((shift) => {
    // Of the groups of three bytes those at the edges mix with their neighbours; the ones between are always the same.
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    const whole = text.slice(shift === 0 ? 0 : shift + 1, Math.floor(((shift + bytes.length) * 8) / 6));
    return [whole, whole.replaceAll("+", "-").replaceAll("/", "_")];
  });
  const url = encodeURIComponent(bytes.toString("utf8"));
  const lowerCase = url.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());
  const hex = bytes.toString("hex");
  const json = JSON.stringify(value).slice(1, -1);
  // A document that quotes another one, as a log line does with an error's text, escapes twice.
  const twice = JSON.stringify(json).slice(1, -1);
  const plain = [value, json, twice, url, lowerCase, hex, hex.toUpperCase()];
  return [...plain, ...encoded.filter(({ length }) => length >= 8)];
}

/** The error of a run whose output could not be cleaned: none of it is passed on. */
export function withheld(runId: string, cause: unknown): PermanentError {
  return new PermanentError({
    code: "REDACTION_FAILED",
    message: "Cannot pass the output on: secrets could not be taken out of it",
    runId,
    cause,
  });
}
