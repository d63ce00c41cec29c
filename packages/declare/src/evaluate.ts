import { CompileRefusal, type Place } from "./codes.js";
import { type Expression, maxNesting, type Member, type Module } from "./expression.js";

/** A value that knows where each of its parts was written. */
export type Located = { readonly at: Place } & (
  | { readonly kind: "value"; readonly value: string | number | boolean | null }
  | { readonly kind: "list"; readonly items: readonly Located[] }
  | { readonly kind: "object"; readonly members: ReadonlyMap<string, Located>; readonly type: string | null }
);
export type LocatedObject = Extract<Located, { kind: "object" }>;

/** A helper's arguments by position and by name, and what a method is called on. */
export interface Call {
  readonly at: Place;
  readonly on: Located | null;
  readonly args: readonly Located[];
  readonly named: ReadonlyMap<string, Located>;
}
/** Helpers by the name they have in a language; methods are `type.method`. */
export type Helpers = Readonly<Record<string, (call: Call) => Located>>;

/** Parts that one declaration may have, so that constants which use each other cannot grow without bound. */
const maxParts = 200_000;

/** Follows a module's expressions to values: constants are looked up, helpers are understood, nothing is run. */
export class Evaluator {
  readonly #module: Module;
  readonly #helpers: Helpers;
  #parts = 0;

  constructor(module: Module, helpers: Helpers) {
    this.#module = module;
    this.#helpers = helpers;
  }

  members(members: readonly Member[], depth = 0): Map<string, Located> {
    const found = new Map<string, Located>();
    for (const { key, at, value } of members) {
      if (found.has(key)) throw new CompileRefusal("E_COMPILE_DUPLICATE_KEY", at, "It is there twice: remove one");
      found.set(key, this.value(value, depth + 1));
    }
    return found;
  }

  value(expression: Expression, depth = 0): Located {
    const { at } = expression;
    if (depth > maxNesting || ++this.#parts > maxParts) {
      throw new CompileRefusal("E_TOO_DEEP", at, "It is too large, or a constant that uses itself: make it flatter");
    }
    switch (expression.kind) {
      case "value":
        return expression;
      case "list":
        return { kind: "list", items: expression.items.map((item) => this.value(item, depth + 1)), at };
      case "object":
        return { kind: "object", members: this.members(expression.members, depth), type: null, at };
      case "name": {
        const constant = this.#module.constants.get(expression.name);
        if (constant !== undefined) return this.value(constant(), depth + 1);
        const name = JSON.stringify(expression.name.slice(0, 64));
        throw new CompileRefusal(
          "E_COMPILE_UNKNOWN_NAME",
          at,
          `${name} is no constant that is assigned once at the top of this module: write the value itself`,
        );
      }
      case "call":
        return this.#call(expression, depth);
    }
  }

  #call(call: Extract<Expression, { kind: "call" }>, depth: number): Located {
    // A chain of methods is long, not deep.
    const on = call.on === null ? null : this.value(call.on, depth);
    const owner = on?.kind === "object" ? on.type : null;
    const name = on === null ? call.callee : `${owner ?? "value"}.${call.callee}`;
    const helper = Object.hasOwn(this.#helpers, name) ? this.#helpers[name] : undefined;
    if (helper === undefined) {
      const known = Object.keys(this.#helpers).join(", ");
      const detail = `${JSON.stringify(name.slice(0, 64))} is not understood: the helpers are ${known}`;
      throw new CompileRefusal("E_COMPILE_UNKNOWN_HELPER", call.at, detail);
    }
    const args = call.args.map((argument) => this.value(argument, depth + 1));
    return helper({ at: call.at, on, args, named: this.members(call.named, depth) });
  }
}

/** The plain value, and the place of each part by its JSON pointer. */
export function plain(located: Located, pointer: string, places: Map<string, Place>): unknown {
  places.set(pointer, located.at);
  if (located.kind === "value") return located.value;
  if (located.kind === "list") return located.items.map((item, at) => plain(item, `${pointer}/${at}`, places));
  const entries = [...located.members].map(([key, value]) => {
    const member = key.slice(0, 256).replaceAll("~", "~0").replaceAll("/", "~1");
    return [key, plain(value, `${pointer}/${member}`, places)] as const;
  });
  // fromEntries defines own members, also one called __proto__, which the validator then names.
  return Object.fromEntries(entries);
}
