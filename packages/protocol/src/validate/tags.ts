import { InvalidArgumentError } from "../errors/classes.js";
import { limits } from "../limits.js";
import { isWellFormed, shown } from "./invalid.js";

const keyPattern = /^[A-Za-z0-9][A-Za-z0-9_./-]*$/;

/** Tags of a sandbox: at most 64 keys of 63 characters with values of 255. Throws `InvalidArgumentError`. */
export function validateTags(value: unknown): Record<string, string> {
  const refuse = (why: string): never => {
    throw new InvalidArgumentError({ message: `Cannot tag the sandbox: ${why}`, context: { argument: "tags" } });
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse(`${shown(value)} is not an object of keys and values`);
  }
  const entries = Object.entries(value);
  if (entries.length > limits.tags) refuse(`${entries.length} tags are more than ${limits.tags}`);
  for (const [key, text] of entries) {
    if (key.length > limits.tagKeyLength || !keyPattern.test(key)) {
      refuse(`the key ${shown(key)} is not 1 to ${limits.tagKeyLength} letters, digits, "_", ".", "/" or "-"`);
    }
    if (typeof text !== "string" || text.length > limits.tagValueLength || !isWellFormed(text) || text.includes("\0")) {
      refuse(`the value of ${shown(key)} is not a text of at most ${limits.tagValueLength} characters`);
    }
  }
  return Object.fromEntries(entries);
}
