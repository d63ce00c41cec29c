import { PackageNotAllowedError } from "@mvm/protocol/errors";
import { canonicalName, type PackageManager, type PackageWish } from "./wish.js";

/** Which packages may be installed: their names in one spelling, or all of a manager. */
export interface AllowList {
  readonly [manager: string]: ReadonlySet<string> | "all" | undefined;
}

/** Whether a name is on the list. There is no pattern: a name that merely looks like another one is another one. */
export function isAllowed(list: AllowList, manager: PackageManager, name: string): boolean {
  const names = list[manager];
  return names === "all" || names?.has(canonicalName(manager, name)) === true;
}

/**
 * Asks for all of them before anything runs.
 * @param why how the package came up, for the message: a dependency counts as much as a wish
 * @throws {PackageNotAllowedError} naming the first few that are not on the list
 */
export function requireAllowed(
  list: AllowList,
  wishes: readonly Pick<PackageWish, "manager" | "name">[],
  why: "asked for" | "a dependency" = "asked for",
): void {
  const refused = wishes.filter(({ manager, name }) => !isAllowed(list, manager, name));
  const [first] = refused;
  if (first === undefined) return;
  const names = refused.map(({ name }) => name);
  const shown = names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");
  throw new PackageNotAllowedError({
    message: `Cannot install ${shown}: not on the list of packages of ${first.manager} that may be installed (${why})`,
    rule: `packages.${first.manager}`,
    operation: "packages.install",
    outcome: "not_started",
    context: { manager: first.manager, packages: names.slice(0, 20).join(", ") },
  });
}
