import { imageError } from "../errors.js";

/**
 * In the order they install: programs of the later ones may come from the first. `apt` is for builds alone: images hold no apt,
 * so the host chooses and brings what is installed.
 */
export const packageManagers = ["apt", "pip", "npm"] as const;
export type PackageManager = (typeof packageManagers)[number];

/** One package somebody wants, as its manager names it. */
export interface PackageWish {
  readonly manager: PackageManager;
  /** In the one spelling that packages are compared by. */
  readonly name: string;
  /** As the user wrote it, checked: safe to give to the manager as an argument. */
  readonly spec: string;
}

const longest = 256;
const pipSpec =
  /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(\[[A-Za-z0-9._, -]+\])?((?:(?:===|==|~=|!=|<=|>=|<|>)[A-Za-z0-9.*+!_-]+,?)*)$/;
/** deb-control(5): names; versions with apt's `*`. Neither `NAME-`, which removes, nor a release. */
const aptSpec = /^([a-z0-9][a-z0-9+.-]*[a-z0-9+])(?:=[A-Za-z0-9][A-Za-z0-9.+:~*-]*)?$/;
const npmSpec = /^((?:@[a-z0-9~][a-z0-9._~-]*\/)?[a-z0-9~][a-z0-9._~-]*)(?:@([A-Za-z0-9.*^~<>=| +-]+))?$/i;

/**
 * Reads what a user wrote: a name and perhaps versions. Addresses, paths and options are refused: they would go round the
 * list of what is allowed. @throws {InvalidArgumentError}
 */
export function parseWish(manager: PackageManager, text: string): PackageWish {
  const spec = text.trim();
  const compact = manager === "pip" ? spec.replace(/ *([=<>!~,[\]]+) */g, "$1") : spec;
  const match = spec.length > longest ? null : patterns[manager].exec(compact);
  if (match === null || spec.startsWith("-")) {
    throw imageError("invalid", `Cannot read "${text.slice(0, longest)}" as a package of ${manager}`, {
      hint: hints[manager],
    });
  }
  return { manager, name: canonicalName(manager, match[1] ?? ""), spec: compact };
}

/** The one spelling of a name: PEP 503 for pip, lower case for npm with its scope, and for apt, which has no other. */
export function canonicalName(manager: PackageManager, name: string): string {
  return manager === "pip" ? name.toLowerCase().replace(/[-_.]+/g, "-") : name.toLowerCase();
}

const patterns = { pip: pipSpec, npm: npmSpec, apt: aptSpec };
const hints = {
  pip: 'Write NAME or NAME with versions, such as "requests==2.*"',
  npm: 'Write NAME or NAME@VERSIONS, such as "left-pad@^1.3" or "@scope/name"',
  apt: 'Write NAME or NAME=VERSION, such as "jq" or "jq=1.7*"',
};
