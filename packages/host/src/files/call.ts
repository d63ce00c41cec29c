import { deadline, type AgentOp, type AgentResult } from "@mvm/protocol";
import { checkedAnswer } from "../sandboxes/agent-answer.js";
import type { Live } from "../sandboxes/sandbox.js";

/** A file operation without content: request, checked answer, deadline. */
export async function callFiles<Op extends AgentOp>(
  live: Live,
  op: Op,
  fields: Readonly<Record<string, unknown>>,
): Promise<AgentResult<Op>> {
  const deadlineMs = deadline("fileOpIdle", live.machine.identity.accel);
  return checkedAnswer(op, await live.session.call({ op, ...fields }, { deadlineMs }));
}
