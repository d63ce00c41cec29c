import { TypeCompiler, type TypeCheck } from "@sinclair/typebox/compiler";
import type { TSchema } from "@sinclair/typebox";
import { TransportError, type AgentOp, type AgentResult } from "@mvm/protocol";
import { agentResultSchemas } from "@mvm/protocol/schemas";

const compiled = new Map<AgentOp, TypeCheck<TSchema>>();

/**
 * What the guest answered, once it has the shape docs/channel.md gives it. The guest may be hostile: an answer of another
 * shape is an error of the channel, never a crash of the caller.
 * @throws {TransportError} code PROTOCOL_VIOLATION
 */
export function checkedAnswer<Op extends AgentOp>(op: Op, value: unknown): AgentResult<Op> {
  let check = compiled.get(op);
  if (check === undefined) {
    check = TypeCompiler.Compile<TSchema>(agentResultSchemas[op]);
    compiled.set(op, check);
  }
  if (check.Check(value)) return value as AgentResult<Op>;
  throw new TransportError({
    code: "PROTOCOL_VIOLATION",
    message: `Cannot read the guest's answer to "${op}": it is not valid at ${check.Errors(value).First()?.path || "/"}`,
    context: { op },
  });
}
