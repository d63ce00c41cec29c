import { InvalidArgumentError, shown } from "@mvm/protocol";

/** Refuses options that do not exist: a misspelt limit must not silently be no limit. Undefined values count as absent. */
export function refuseUnknown(operation: string, options: object, known: ReadonlySet<string>): void {
  for (const [name, value] of Object.entries(options)) {
    if (known.has(name) || value === undefined) continue;
    throw new InvalidArgumentError({
      message: `Cannot use the option ${shown(name)} of ${operation}: it does not exist`,
      hint: `The options are ${[...known].join(", ")}`,
      operation,
      context: { argument: name },
    });
  }
}

/** The object without its undefined values, which JSON and strict schemas know nothing of. */
export function defined<T extends object>(value: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, content]) => content !== undefined)) as never;
}
