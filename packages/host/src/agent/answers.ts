import type { Static, TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import type { AgentErrorMessage, AgentEvent } from "@mvm/protocol";
import { AgentErrorSchema, AgentEventSchema, agentResultSchemas } from "@mvm/protocol/schemas";

const compiled = new Map<TSchema, TypeCheck<TSchema>>();

/** Compiled on first use: a daemon that never lists files does not pay for the schema of lists. */
function check<T extends TSchema>(schema: T, message: unknown, what: string): Static<T> {
  let checker = compiled.get(schema);
  if (checker === undefined) {
    checker = TypeCompiler.Compile(schema);
    compiled.set(schema, checker);
  }
  if (checker.Check(message)) return message;
  const first = checker.Errors(message).First();
  throw new Error(`${what} does not fit its schema at ${JSON.stringify(first?.path ?? "/")}`);
}

/** The RESULT of an operation, as its schema says. @throws what the session turns into a protocol violation */
export function checkAnswer(op: string, message: unknown): unknown {
  const schema = (agentResultSchemas as Record<string, TSchema | undefined>)[op];
  if (schema === undefined) throw new Error(`RESULT of "${op}" has no schema`);
  return check(schema, message, `RESULT of "${op}"`);
}

export function checkEvent(message: unknown): AgentEvent {
  return check(AgentEventSchema, message, "EVENT");
}

export function checkError(message: unknown): AgentErrorMessage {
  return check(AgentErrorSchema, message, "ERROR");
}
