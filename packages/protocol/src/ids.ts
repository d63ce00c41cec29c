/** Crockford's base 32: no I, L, O, U. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ".toLowerCase();
const timeLength = 10;
const randomLength = 16;

/** What an id names: a sandbox, one run of a command, an audit entry, a snapshot. */
export type IdKind = "sbx" | "run" | "evt" | "snp";

/** Fills the array with random bytes; `globalThis.crypto.getRandomValues` unless a test gives another. */
export type RandomSource = (bytes: Uint8Array) => Uint8Array;

const systemRandom: RandomSource = (bytes) => globalThis.crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);

function encodeTime(milliseconds: number): string {
  let text = "";
  for (let rest = Math.floor(milliseconds), i = 0; i < timeLength; i++, rest = Math.floor(rest / 32)) {
    text = alphabet.charAt(rest % 32) + text;
  }
  return text;
}

/** Adds one to the digits, so that ids of the same millisecond keep their order. */
function increment(digits: Uint8Array): void {
  for (let i = digits.length - 1; i >= 0; i--) {
    const next = ((digits[i] ?? 0) + 1) % 32;
    digits[i] = next;
    if (next !== 0) return;
  }
}

/**
 * Makes a generator of ids `<kind>_<26 characters>`: 48 bits of time and 80 random bits, so that ids sort by time and
 * ids of one generator strictly increase, also when the clock stands still or goes back.
 */
export function idGenerator(random: RandomSource = systemRandom): (kind: IdKind, now?: number) => string {
  let last = -1;
  let digits = new Uint8Array(randomLength);
  return (kind, now = Date.now()) => {
    if (now > last) {
      last = now;
      digits = new Uint8Array(random(new Uint8Array(randomLength)));
      for (let i = 0; i < randomLength; i++) digits[i] = (digits[i] ?? 0) % 32;
    } else {
      increment(digits);
    }
    let tail = "";
    for (const digit of digits) tail += alphabet.charAt(digit);
    return `${kind}_${encodeTime(last)}${tail}`;
  };
}

/** The process-wide generator. */
export const newId: (kind: IdKind, now?: number) => string = idGenerator();

const pattern = /^(sbx|run|evt|snp)_[0-9a-hjkmnp-tv-z]{26}$/;

/** Whether the text has the form of an id, optionally of the given kind. */
export function isId(text: string, kind?: IdKind): boolean {
  return pattern.test(text) && (kind === undefined || text.startsWith(`${kind}_`));
}
