type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** Keys whose values are maps with keys of the user's own: those are not renamed. */
type Verbatim = "tags" | "features";
const verbatim = new Set<string>(["tags", "features"] satisfies Verbatim[]);

/** A document of the API with its keys in camelCase, through all levels. */
export type CamelKeys<T> = T extends readonly (infer Item)[]
  ? readonly CamelKeys<Item>[]
  : T extends object
    ? {
        readonly [Key in keyof T as Key extends string ? CamelCase<Key> : never]: Key extends Verbatim
          ? T[Key]
          : CamelKeys<T[Key]>;
      }
    : T;

/** Renames the keys of a document of the API, through all levels. */
export function camelKeys<T>(document: T): CamelKeys<T> {
  if (Array.isArray(document)) return document.map((item: unknown) => camelKeys(item)) as CamelKeys<T>;
  if (typeof document !== "object" || document === null) return document as CamelKeys<T>;
  const renamed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(document)) {
    const name = key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    renamed[name] = verbatim.has(key) ? (value as unknown) : camelKeys(value as unknown);
  }
  return renamed as CamelKeys<T>;
}
