import { posix } from "node:path";
import { imageError } from "../errors.js";

/** A Nix flake on this host and what of it is wanted. */
export interface FlakePlace {
  /** Directory with `flake.nix`. */
  readonly path: string;
  /** Below `packages.x86_64-linux`, as `nix build` looks it up. */
  readonly attribute: string;
}

/** An output selector (`^`), a query (`?`) or an expression would be another thing than a name. */
const attributePattern = /^[A-Za-z0-9_][A-Za-z0-9_.'+-]{0,254}$/;
const scheme = "nix:";

/**
 * Reads `nix:DIRECTORY[#ATTRIBUTE]`; without an attribute, `default`. Returns undefined for what does not begin with `nix:`.
 * Syntax: Nix reference manual, "Flake output attribute". @throws {InvalidArgumentError}
 */
export function parseFlake(text: string): FlakePlace | undefined {
  if (!text.startsWith(scheme)) return undefined;
  const hash = text.indexOf("#");
  const path = hash < 0 ? text.slice(scheme.length) : text.slice(scheme.length, hash);
  const attribute = hash < 0 ? "default" : text.slice(hash + 1);
  if (path === "" || path.includes("?") || /^[a-z][a-z0-9+.-]*:/.test(path)) {
    throw imageError(
      "invalid",
      `Cannot read ${JSON.stringify(text.slice(0, 200))}: it names no directory of this host`,
      {
        hint: "Use nix:DIRECTORY#ATTRIBUTE; fetch a flake from elsewhere first",
      },
    );
  }
  return { path, attribute: flakeAttribute(attribute) };
}

/** @throws {InvalidArgumentError} it is no attribute path */
export function flakeAttribute(attribute: string): string {
  if (attributePattern.test(attribute)) return attribute;
  throw imageError("invalid", `Cannot read the flake attribute ${JSON.stringify(attribute.slice(0, 200))}`, {
    hint: "Use names joined by dots, such as default or packages.x86_64-linux.web",
  });
}

/** The flake as it is recorded: its directory's name alone, since a path of this host stays out of records. */
export function flakeName({ path, attribute }: FlakePlace): string {
  return `${scheme}${posix.basename(posix.resolve("/", path))}#${attribute}`;
}
