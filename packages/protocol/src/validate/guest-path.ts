import { limits } from "../limits.js";
import { InvalidArgumentError } from "../errors/classes.js";
import { isWellFormed, shown, utf8Length } from "./invalid.js";

/** Why a path is refused before anything is asked; null when it is acceptable. Everything else in it is literal. */
export function guestPathProblem(path: string): string | null {
  if (path === "") return "it is empty";
  if (path.includes("\0")) return "it holds a NUL character";
  if (!isWellFormed(path)) return "it is not valid Unicode";
  if (utf8Length(path) > limits.pathBytes) return `it is longer than ${limits.pathBytes} bytes`;
  for (const component of path.split("/")) {
    if (component === "..") return 'it has the component ".."';
    if (utf8Length(component) > limits.pathComponentBytes) {
      return `a component is longer than ${limits.pathComponentBytes} bytes`;
    }
  }
  return null;
}

/** A path in the guest, absolute or relative to `/home/user`. Throws `InvalidArgumentError`. */
export function validateGuestPath(value: unknown): string {
  const problem = typeof value === "string" ? guestPathProblem(value) : "it is not a string";
  if (problem === null) return value as string;
  throw new InvalidArgumentError({
    message: `Cannot use the path ${shown(value)}: ${problem}`,
    boundary: "filesystem",
    context: { argument: "path" },
  });
}
