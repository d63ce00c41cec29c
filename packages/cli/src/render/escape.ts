/**
 * Characters that make a terminal do something else than show them, or show text in another order: C0, DEL, C1, line
 * and paragraph separators, zero-width and bidirectional controls, the byte order mark, tag characters, surrogates
 * without a partner.
 */
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\ud800-\udfff]/gu;

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\u001b": "\\x1b" };

function escapeCharacter(character: string): string {
  const known = named[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
}

/** A name or message on one line: every control character is spelled out. */
export function printable(text: string): string {
  return text.replace(unsafe, escapeCharacter);
}

/** Text of several lines: newlines and tabs stay, every other control character is spelled out. */
export function printableLines(text: string): string {
  return text.replace(unsafe, (character) =>
    character === "\n" || character === "\t" ? character : escapeCharacter(character),
  );
}

/** Makes a byte stream safe for a terminal, piece by piece; call it without an argument at the end. */
export function terminalFilter(): (chunk?: Uint8Array) => string {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return (chunk) => printableLines(chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true }));
}
