/** Stands where a protected value stood. */
export const redacted = "[redacted]";

/** Shorter forms of a value say too little, and would be found everywhere. Bytes. */
const shortestForm = 4;

/** A stream's part of a redaction: bytes in, bytes out, and what could be the beginning of a value waits for the rest. */
export interface RedactedStream {
  push(chunk: Buffer): Buffer;
  /** What still waits; the stream has ended. */
  flush(): Buffer;
}

/**
 * The one place every line of a sandbox's logs goes through. Takes protected values out wherever they begin and end: raw,
 * in base64, and as URLs and JSON escape them. Protects nothing until it is told to.
 */
export class Redactor {
  private forms: readonly Buffer[] = [];

  /** Replaces what is protected from now on. */
  protect(values: readonly string[]): void {
    const forms = new Set(values.flatMap(formsOf).filter((form) => Buffer.byteLength(form) >= shortestForm));
    // The longest first, so that a value that begins with another is taken out as a whole.
    this.forms = [...forms].map((form) => Buffer.from(form)).sort((a, b) => b.length - a.length);
  }

  /** A text that is there as a whole. */
  text(text: string): string {
    return this.forms.length === 0 ? text : this.clean(Buffer.from(text)).toString("utf8");
  }

  /** For bytes that come in pieces, whose borders say nothing. */
  stream(): RedactedStream {
    let held: Buffer = Buffer.alloc(0);
    return {
      push: (chunk) => {
        if (this.forms.length === 0 && held.length === 0) return chunk;
        const bytes = this.clean(Buffer.concat([held, chunk]));
        const keep = this.beginning(bytes);
        held = bytes.subarray(bytes.length - keep);
        return bytes.subarray(0, bytes.length - keep);
      },
      flush: () => {
        const rest = held;
        held = Buffer.alloc(0);
        return rest;
      },
    };
  }

  private clean(bytes: Buffer): Buffer {
    const parts: Buffer[] = [];
    let at = 0;
    for (;;) {
      const next = this.find(bytes, at);
      if (next === undefined) break;
      parts.push(bytes.subarray(at, next.index), Buffer.from(redacted));
      at = next.index + next.length;
    }
    return at === 0 ? bytes : Buffer.concat([...parts, bytes.subarray(at)]);
  }

  /** The first form from a position on; of several there the longest. */
  private find(bytes: Buffer, from: number): { readonly index: number; readonly length: number } | undefined {
    let found: { index: number; length: number } | undefined;
    for (const form of this.forms) {
      const index = bytes.indexOf(form, from);
      if (index >= 0 && (found === undefined || index < found.index)) found = { index, length: form.length };
    }
    return found;
  }

  /** How many bytes at the end could be the beginning of a form. */
  private beginning(bytes: Buffer): number {
    let most = 0;
    for (const form of this.forms) {
      for (let length = Math.min(form.length - 1, bytes.length); length > most; length--) {
        if (bytes.subarray(bytes.length - length).equals(form.subarray(0, length))) most = length;
      }
    }
    return most;
  }
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
  return [value, JSON.stringify(value).slice(1, -1), url, lowerCase, ...encoded.filter(({ length }) => length >= 8)];
}
