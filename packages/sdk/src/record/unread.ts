import { refuse } from "./mode.js";

/**
 * A value that only a guest or a daemon could have produced: whatever reads it is refused, but for the parts that are known.
 * @param what how messages call it, such as `the result of commands.run`
 */
export function unread<T extends object>(what: string, known: { readonly [K in keyof T]?: T[K] } = {}): T {
  const no = (key: PropertyKey): never =>
    refuse(`${what}, read at ${JSON.stringify(String(key))}`, "no guest has produced it");
  return new Proxy(known, {
    get(target, key) {
      if (Object.hasOwn(target, key)) return (target as T)[key as keyof T];
      // Awaiting a value asks whether it is a promise; that is no use of it.
      return key === "then" ? undefined : no(key);
    },
    has: (_, key) => no(key),
    ownKeys: () => no("*"),
    getOwnPropertyDescriptor: (_, key) => no(key),
  }) as T;
}
