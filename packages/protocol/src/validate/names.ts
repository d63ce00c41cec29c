import { isId } from "../ids.js";
import { limits } from "../limits.js";
import { invalid } from "./invalid.js";

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const refPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const userPattern = /^(?:[A-Za-z_][A-Za-z0-9_.-]*\$?|[0-9]{1,10}(?::[0-9]{1,10})?)$/;

/** Name of a sandbox: 1 to 63 letters, digits, `_`, `.`, `-`, the first a letter or digit, and no sandbox id. */
export function validateName(value: unknown): string {
  if (typeof value === "string" && value.length <= limits.nameLength && namePattern.test(value) && !isId(value)) {
    return value;
  }
  throw invalid(
    "name",
    value,
    `1 to ${limits.nameLength} letters, digits, "_", "." or "-" that begin with a letter or digit`,
  );
}

/** Name or id of a sandbox. */
export function validateRef(value: unknown): string {
  if (typeof value === "string" && refPattern.test(value)) return value;
  throw invalid("sandbox", value, "a name or id of a sandbox");
}

/** User of a command: `user`, `root`, another name of the guest, `UID` or `UID:GID`. */
export function validateUser(value: unknown): string {
  if (typeof value === "string" && value.length <= limits.userLength && userPattern.test(value)) return value;
  throw invalid("user", value, "a user name, UID or UID:GID");
}

/** Name or reference of an image. */
export function validateImage(value: unknown): string {
  if (typeof value === "string" && value.length >= 1 && value.length <= limits.imageLength && /^[!-~]+$/.test(value)) {
    return value;
  }
  throw invalid("image", value, `an image name of 1 to ${limits.imageLength} visible ASCII characters`);
}
