import { EnvVarValidationError } from "../errors/classes.js";
import { limits } from "../limits.js";
import { isWellFormed, shown, utf8Length } from "./invalid.js";

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

function refuse(what: string, why: string): never {
  throw new EnvVarValidationError({ message: `Cannot set ${what}: ${why}`, context: { argument: "environment" } });
}

/** A name that an environment variable may have. */
export function validateEnvName(name: string): string {
  if (name.length <= limits.envNameBytes && namePattern.test(name)) return name;
  return refuse(
    `the environment variable ${shown(name)}`,
    `its name is not 1 to ${limits.envNameBytes} letters, digits or "_" that do not begin with a digit`,
  );
}

/** Environment of a sandbox or command. Returns a plain copy; texts never hold a value. Throws `EnvVarValidationError`. */
export function validateEnv(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse("the environment", `${shown(value)} is not an object of names and values`);
  }
  const entries = Object.entries(value);
  if (entries.length > limits.envVariables) {
    refuse("the environment", `${entries.length} variables are more than ${limits.envVariables}`);
  }
  let bytes = 0;
  for (const [name, content] of entries) {
    validateEnvName(name);
    const what = `the environment variable ${shown(name)}`;
    if (typeof content !== "string") refuse(what, "its value is not a string");
    if (content.includes("\0")) refuse(what, "its value holds a NUL character");
    if (!isWellFormed(content)) refuse(what, "its value is not valid Unicode");
    const length = utf8Length(content);
    if (length > limits.envValueBytes) {
      refuse(what, `its value of ${length} bytes is more than ${limits.envValueBytes}`);
    }
    const entry = name.length + length + 2;
    // The kernel's own limit on one entry, name and both separators included.
    if (entry > limits.argumentBytes + 1)
      refuse(what, `its name and value have more than ${limits.argumentBytes} bytes`);
    bytes += entry;
  }
  if (bytes > limits.envBytes) refuse("the environment", `${bytes} bytes are more than ${limits.envBytes}`);
  return Object.fromEntries(entries);
}
