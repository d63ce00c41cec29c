import type { Place } from "./codes.js";

/** A member of an object or a named argument. */
export interface Member {
  readonly key: string;
  readonly at: Place;
  readonly value: Expression;
}

/** What both languages' expressions come down to. Nothing of it is run. */
export type Expression = { readonly at: Place } & (
  | { readonly kind: "value"; readonly value: string | number | boolean | null }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "object"; readonly members: readonly Member[] }
  | { readonly kind: "name"; readonly name: string }
  | {
      /** A helper such as `SecretRef.from`, or with `on` a method of a helper's result. */
      readonly kind: "call";
      readonly on: Expression | null;
      readonly callee: string;
      readonly args: readonly Expression[];
      readonly named: readonly Member[];
    }
);

/** The function a declaration stands on, where it says no command of its own. */
export interface Decorated {
  readonly name: string;
  /** Whether what it returns is the result, as JSON. */
  readonly returns: boolean;
}

/** What a parser found in a module: its constants, which are only looked at when used, and its declarations. */
export interface Module {
  readonly constants: ReadonlyMap<string, () => Expression>;
  readonly declarations: readonly {
    readonly at: Place;
    readonly members: readonly Member[];
    readonly decorated: Decorated | null;
  }[];
}

/** Nesting of expressions that is followed. */
export const maxNesting = 40;
