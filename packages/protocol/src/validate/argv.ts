import { InvalidArgumentError } from "../errors/classes.js";
import { limits } from "../limits.js";
import { isWellFormed, utf8Length } from "./invalid.js";

function refuse(why: string): never {
  throw new InvalidArgumentError({ message: `Cannot run the command: ${why}`, context: { argument: "argv" } });
}

function checkText(text: unknown, what: string): number {
  if (typeof text !== "string") return refuse(`${what} is not a string`);
  if (text.includes("\0")) refuse(`${what} holds a NUL character`);
  if (!isWellFormed(text)) refuse(`${what} is not valid Unicode`);
  return utf8Length(text);
}

/** Program and arguments, run without a shell. Texts name positions, never the arguments. Throws `InvalidArgumentError`. */
export function validateArgv(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0) return refuse("argv is not a list of at least one string");
  if (value.length > limits.argvEntries) refuse(`${value.length} arguments are more than ${limits.argvEntries}`);
  let bytes = 0;
  value.forEach((text: unknown, index) => {
    const length = checkText(text, `argument ${index}`);
    if (length > limits.argumentBytes)
      refuse(`argument ${index} of ${length} bytes is more than ${limits.argumentBytes}`);
    bytes += length + 1;
  });
  if (value[0] === "") refuse("the name of the program is empty");
  if (bytes > limits.argvBytes) refuse(`arguments of ${bytes} bytes are more than ${limits.argvBytes}`);
  return value.slice() as string[];
}

/** A command line for `/bin/sh -lc`, which is one argument. */
export function validateShell(value: unknown): string {
  const bytes = checkText(value, "the command line");
  if (bytes === 0) refuse("the command line is empty");
  if (bytes > limits.argumentBytes) refuse(`a command line of ${bytes} bytes is more than ${limits.argumentBytes}`);
  return value as string;
}
