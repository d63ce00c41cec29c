import type { Static, TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { violation } from "./frames/violation.js";

/** Returns the message with its type, or throws a `PROTOCOL_VIOLATION` that names the place of the first mismatch. */
export type Checker<T> = (message: unknown) => T;

/**
 * Compiles a schema when it is first needed, into code that checks a message in well under a microsecond.
 * `what` names the message in errors, e.g. `RESULT of exec`.
 */
export function checker<S extends TSchema>(schema: S, what: string): Checker<Static<S>> {
  let compiled: ReturnType<typeof TypeCompiler.Compile<S>> | undefined;
  return (message) => {
    compiled ??= TypeCompiler.Compile(schema);
    if (compiled.Check(message)) return message;
    const first = compiled.Errors(message).First();
    throw violation("bad_message", `${what} is not valid at ${JSON.stringify((first?.path || "/").slice(0, 200))}`);
  };
}
