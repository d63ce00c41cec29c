const simple: Readonly<Record<string, string>> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\n": "",
};
const escape = /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(N\{|[xuU])|([\s\S]))/g;

/**
 * The text of a Python string literal between its quotes, or null when only Python could tell (`\N{…}`, malformed
 * escapes, bytes, replacement fields). `start` is the prefix and the opening quotes.
 */
export function pythonString(start: string, content: string): string | null {
  const prefix = start.replace(/["']+$/, "").toLowerCase();
  if (!["", "r", "u"].includes(prefix)) return null;
  // Python reads every line end of a source as \n.
  const text = content.replace(/\r\n?/g, "\n");
  if (prefix === "r") return text;
  let known = true;
  const decoded = text.replace(escape, (all: string, ...groups: (string | undefined)[]) => {
    const [octal, byte, short, long, foreign, other] = groups;
    const code = octal !== undefined ? Number.parseInt(octal, 8) : Number.parseInt(byte ?? short ?? long ?? "", 16);
    if (foreign !== undefined || code > 0x10ffff) known = false;
    else if (!Number.isNaN(code)) return String.fromCodePoint(code);
    else if (other !== undefined && Object.hasOwn(simple, other)) return simple[other] as string;
    // Python keeps the backslash of an escape it does not know.
    return all;
  });
  return known ? decoded : null;
}

const decimal = /^(?:0(?:_?0)*|[1-9](?:_?\d)*)$/;
const based = /^0(?:[xX](?:_?[\da-fA-F])+|[oO](?:_?[0-7])+|[bB](?:_?[01])+)$/;
const fraction = /^(?:\d(?:_?\d)*)?\.?(?:\d(?:_?\d)*)?(?:[eE][+-]?\d(?:_?\d)*)?$/;

/** The value of a Python number, or null for what JSON has no number for. */
export function pythonNumber(text: string, kind: "integer" | "float"): number | null {
  const fits = kind === "integer" ? decimal.test(text) || based.test(text) : fraction.test(text);
  const value = fits ? Number(text.replaceAll("_", "")) : Number.NaN;
  return Number.isFinite(value) ? value : null;
}
