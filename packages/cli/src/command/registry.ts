import type { Command } from "./define.js";

/** A verb, loaded only when it is used: the start-up time of `run` does not pay for the others. */
export interface Verb {
  readonly kind: "verb";
  readonly load: () => Promise<{ readonly default: Command }>;
}

/** Another name of a verb. */
export interface Alias {
  readonly kind: "alias";
  readonly of: string;
}

/** A noun with verbs of its own, such as `fs`. */
export interface Group {
  readonly kind: "group";
  readonly summary: string;
  readonly verbs: Registry;
}

/** Verbs by name, in the order of the help. */
export type Registry = Readonly<Record<string, Verb | Alias | Group>>;

/** A verb's module. */
export function verb(load: Verb["load"]): Verb {
  return { kind: "verb", load };
}

/** A second name. */
export function alias(of: string): Alias {
  return { kind: "alias", of };
}

/** A noun. */
export function group(summary: string, verbs: Registry): Group {
  return { kind: "group", summary, verbs };
}

/** A verb with its full name, as help, completions and documentation list it. */
export interface LoadedVerb {
  /** Such as `fs read`. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly command: Command;
}

/** Loads every verb of a registry, in order. */
export async function loadAll(registry: Registry, prefix = ""): Promise<LoadedVerb[]> {
  const loaded = await Promise.all(
    Object.entries(registry).map(async ([name, entry]): Promise<LoadedVerb[]> => {
      if (entry.kind === "group") return loadAll(entry.verbs, `${prefix}${name} `);
      if (entry.kind === "alias") return [];
      const aliases = Object.keys(registry).filter((other) => {
        const candidate = registry[other];
        return candidate?.kind === "alias" && candidate.of === name;
      });
      return [{ name: prefix + name, aliases, command: (await entry.load()).default }];
    }),
  );
  return loaded.flat();
}
