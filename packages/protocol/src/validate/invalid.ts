import { InvalidArgumentError } from "../errors/classes.js";

const shownLength = 64;

/** A value as error texts show it: bounded, the same in every language, objects by their kind only. */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > shownLength ? `${value.slice(0, shownLength)}…` : value);
  }
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (value === undefined) return "nothing";
  return Array.isArray(value) ? "a list" : typeof value === "function" ? "a function" : "an object";
}

/** The error of an argument: "Cannot use <value> as <argument>: it is not <what it has to be>". */
export function invalid(argument: string, value: unknown, wanted: string, hint?: string): InvalidArgumentError {
  return new InvalidArgumentError({
    message: `Cannot use ${shown(value)} as ${argument}: it is not ${wanted}`,
    context: { argument },
    ...(hint !== undefined && { hint }),
  });
}

/** Whether UTF-8 can hold the text: halves of surrogate pairs would silently become U+FFFD. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** Bytes of the text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code >= 0xd800 && code <= 0xdfff ? 2 : 3;
  }
  return bytes;
}
