import serializer from "canonicalize";

/** A value that JSON can hold without loss. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Nesting of what is written as evidence; deeper is a mistake, or an attack on whoever reads it. */
const maxDepth = 16;

// The package is CommonJS whose types promise an ES default export.
const serialize = serializer as unknown as (value: unknown) => string | undefined;

/**
 * The one JSON text of a value by RFC 8785 (JCS). What signatures and hashes are made over.
 * @throws {TypeError} the value holds what JSON would change or drop in silence: undefined, a function, a class instance,
 * NaN, an infinity, an integer beyond 2^53, a lone surrogate, `__proto__` as a key, nesting beyond 16
 */
export function canonicalJson(value: unknown): string {
  check(value, 0);
  return serialize(value) as string;
}

/**
 * Reads text that must be canonical already, so that no two texts mean the same: no second key of one name, no white
 * space, no other order, no other escapes.
 * @throws {TypeError | SyntaxError} it is not
 */
export function parseCanonical(text: string): Json {
  const value = JSON.parse(text) as Json;
  // Native code first: a sorted object that prints as it was read is canonical. A lone surrogate prints as an escape.
  if (!text.includes("\\ud") && JSON.stringify(value) === text && isPlain(value, 0)) return value;
  if (canonicalJson(value) !== text) throw new TypeError("the text is not canonical JSON (RFC 8785)");
  return value;
}

/** Whether a value that was read is in order and holds nothing that {@link check} refuses; what it cannot tell is left to that. */
function isPlain(value: Json, depth: number): boolean {
  if (depth > maxDepth) return false;
  if (typeof value === "number") return !Number.isInteger(value) || Number.isSafeInteger(value);
  if (value === null || typeof value !== "object") return true;
  if (Array.isArray(value)) return value.every((member: Json) => isPlain(member, depth + 1));
  let last: string | undefined;
  for (const key of Object.keys(value)) {
    if ((last !== undefined && key <= last) || key === "__proto__") return false;
    if (!isPlain((value as Record<string, Json>)[key] as Json, depth + 1)) return false;
    last = key;
  }
  return true;
}

function check(value: unknown, depth: number): void {
  if (depth > maxDepth) throw new TypeError(`it is nested deeper than ${maxDepth}`);
  switch (typeof value) {
    case "boolean":
      return;
    case "string":
      return checkText(value);
    case "number":
      if (!Number.isFinite(value)) throw new TypeError("it holds a number that is not finite");
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new TypeError("it holds an integer over 2^53");
      return;
    case "object":
      if (value === null) return;
      if (Array.isArray(value)) {
        // By index: a hole in an array is an undefined that forEach would skip.
        for (let at = 0; at < value.length; at++) check(value[at], depth + 1);
        return;
      }
      return checkObject(value, depth);
    default:
      throw new TypeError(`it holds a value of type ${typeof value}`);
  }
}

function checkObject(value: object, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError("it holds an instance of a class");
  for (const [key, member] of Object.entries(value)) {
    if (key === "__proto__") throw new TypeError('it has a key "__proto__"');
    checkText(key);
    check(member, depth + 1);
  }
}

function checkText(text: string): void {
  if (/\p{Surrogate}/u.test(text)) throw new TypeError("it holds a lone surrogate");
}
