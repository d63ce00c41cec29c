import { shown, isWellFormed } from "../validate/invalid.js";
import { pointer, type WorkloadCode, type WorkloadProblem } from "./codes.js";
import { workloadLimits } from "./limits.js";

/** The part of JSON Schema that workloads are described in. */
export interface Shape {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly patternProperties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxProperties?: number;
}

/** Fields that other tools know and mvm refuses by name, each with what to write instead. */
export type Refused = Readonly<Record<string, string>>;

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const patterns = new Map<string, RegExp>();
function matches(pattern: string, text: string): boolean {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) patterns.set(pattern, (compiled = new RegExp(pattern, "u")));
  return compiled.test(text);
}

/**
 * Compares a value with a shape and names every mismatch, at most 100: unlike a schema validator it looks into the one
 * member of a union that `kind` names, so that a report speaks of what the author wrote.
 */
export class Structure {
  readonly problems: WorkloadProblem[] = [];
  readonly #refused: Refused;

  constructor(refused: Refused = {}) {
    this.#refused = refused;
  }

  get full(): boolean {
    return this.problems.length >= workloadLimits.problems;
  }

  add(code: WorkloadCode, path: string, detail: string): void {
    if (!this.full) this.problems.push({ code, path, detail });
  }

  check(value: unknown, shape: Shape, path: string, depth = 0): void {
    if (this.full) return;
    if (depth > workloadLimits.depth) {
      return this.add("E_TOO_DEEP", path, `It is nested deeper than ${workloadLimits.depth} levels`);
    }
    if (shape.anyOf !== undefined) return this.#union(value, shape.anyOf, path, depth);
    if ("const" in shape) {
      if (value !== shape.const) this.#wrong(value, JSON.stringify(shape.const), path);
      return;
    }
    switch (shape.type) {
      case "object":
        return isFields(value) ? this.#object(value, shape, path, depth) : this.#type(value, "an object", path);
      case "array":
        return Array.isArray(value) ? this.#array(value, shape, path, depth) : this.#type(value, "a list", path);
      case "string":
        return typeof value === "string" ? this.#text(value, shape, path) : this.#type(value, "a text", path);
      case "integer":
        return typeof value === "number" ? this.#integer(value, shape, path) : this.#type(value, "a number", path);
      case "null":
        if (value !== null) this.#type(value, "null", path);
        return;
      default:
        return this.#json(value, path, depth);
    }
  }

  /** A value without a shape: any JSON. */
  #json(value: unknown, path: string, depth: number): void {
    if (typeof value === "string") return this.#text(value, {}, path);
    if (typeof value === "number") {
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
        this.#wrong(value, "a number that JSON holds without loss", path);
      }
    } else if (Array.isArray(value)) {
      for (let at = 0; at < value.length; at++) this.check(value[at], {}, pointer(path, at), depth + 1);
    } else if (isFields(value)) {
      for (const key of Object.keys(value)) this.#member(value, key, {}, path, depth);
    } else if (value !== null && typeof value !== "boolean") {
      this.#type(value, "a value of JSON", path);
    }
  }

  #union(value: unknown, shapes: readonly Shape[], path: string, depth: number): void {
    const kinds = shapes.filter(({ properties }) => properties?.["kind"] !== undefined);
    if (kinds.length === 0) {
      const others = shapes.filter(({ type }) => type !== "null");
      if (value === null && others.length < shapes.length) return;
      const one = others[0];
      if (others.length === 1 && one !== undefined) return this.check(value, one, path, depth);
      const values = others.map((shape) => shape.const);
      if (!values.includes(value)) this.#wrong(value, values.map((each) => JSON.stringify(each)).join(" or "), path);
      return;
    }
    if (!isFields(value)) return this.#type(value, "an object", path);
    const given = Object.hasOwn(value, "kind") ? value["kind"] : undefined;
    const chosen = kinds.find(({ properties }) => properties?.["kind"]?.const === given);
    if (chosen !== undefined) return this.check(value, chosen, path, depth);
    const known = kinds.map(({ properties }) => JSON.stringify(properties?.["kind"]?.const)).join(", ");
    this.add("E_UNKNOWN_KIND", pointer(path, "kind"), `${shown(given)} cannot stand here: use one of ${known}`);
  }

  #object(value: Fields, shape: Shape, path: string, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return this.#type(value, "a plain object", path);
    const keys = Object.keys(value);
    if (shape.maxProperties !== undefined && keys.length > shape.maxProperties) {
      return this.add("E_TOO_LARGE", path, `${keys.length} members are more than ${shape.maxProperties}`);
    }
    for (const key of shape.required ?? []) {
      if (!Object.hasOwn(value, key)) this.add("E_MISSING_FIELD", path, `The field "${key}" is missing: add it`);
    }
    const each = Object.values(shape.patternProperties ?? {})[0];
    for (const key of keys) {
      const known = shape.properties !== undefined && Object.hasOwn(shape.properties, key);
      const member = known ? shape.properties[key] : each;
      if (member !== undefined) this.#member(value, key, member, path, depth);
      else this.#unknown(key, shape, path);
    }
  }

  #member(value: Fields, key: string, shape: Shape, path: string, depth: number): void {
    const place = pointer(path, key.slice(0, 256));
    if (key === "__proto__") return this.add("E_UNKNOWN_FIELD", place, 'No member may be called "__proto__"');
    if (!isWellFormed(key) || key.includes("\0")) {
      return this.add("E_INVALID_TEXT", path, `The name ${shown(key)} is not valid text`);
    }
    this.check(value[key], shape, place, depth + 1);
  }

  #unknown(key: string, shape: Shape, path: string): void {
    const place = pointer(path, key.slice(0, 256));
    const refused = Object.hasOwn(this.#refused, key) ? this.#refused[key] : undefined;
    if (refused !== undefined) return this.add("E_UNSUPPORTED_FIELD", place, refused);
    const known = Object.keys(shape.properties ?? {}).join(", ");
    this.add("E_UNKNOWN_FIELD", place, `${shown(key)} is no field here; there are ${known}`);
  }

  #array(value: readonly unknown[], shape: Shape, path: string, depth: number): void {
    if (shape.maxItems !== undefined && value.length > shape.maxItems) {
      return this.add("E_TOO_LARGE", path, `${value.length} entries are more than ${shape.maxItems}`);
    }
    if (value.length < (shape.minItems ?? 0)) return this.#wrong(value, "a list of at least one", path);
    // By index, so that a hole is a missing value and not a skipped one.
    for (let at = 0; at < value.length && !this.full; at++) {
      this.check(value[at], shape.items ?? {}, pointer(path, at), depth + 1);
    }
  }

  #text(value: string, shape: Shape, path: string): void {
    if (shape.maxLength !== undefined && value.length > shape.maxLength) {
      return this.add("E_TOO_LARGE", path, `${value.length} characters are more than ${shape.maxLength}`);
    }
    if (value.includes("\0") || !isWellFormed(value)) {
      return this.add("E_INVALID_TEXT", path, "The text holds a NUL or half a surrogate pair");
    }
    if (value.length < (shape.minLength ?? 0)) return this.#wrong(value, "a text that is not empty", path);
    if (shape.pattern === undefined || matches(shape.pattern, value)) return;
    if (path === "/id") {
      return this.add("E_INVALID_ID", path, 'Write a lower-case letter and up to 62 of a-z, 0-9 and "-"');
    }
    this.#wrong(value, `text of the form ${shape.pattern}`, path);
  }

  #integer(value: number, { minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: Shape, path: string): void {
    if (Number.isInteger(value) && !Object.is(value, -0) && value >= minimum && value <= maximum) return;
    this.#wrong(value, `a whole number from ${minimum} to ${maximum}`, path);
  }

  #type(value: unknown, wanted: string, path: string): void {
    this.add("E_INVALID_TYPE", path, `${typeof value === "string" ? "a text" : shown(value)} is not ${wanted}`);
  }

  /** Texts are not quoted: one of them may be what somebody took for the place of a secret. */
  #wrong(value: unknown, wanted: string, path: string): void {
    const what = typeof value === "string" ? "the text" : shown(value);
    this.add("E_INVALID_VALUE", path, `${what} is not ${wanted}`);
  }
}
