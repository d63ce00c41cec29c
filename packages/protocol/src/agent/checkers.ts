import { type Checker, checker } from "../checkers.js";
import { agentResultSchemas, type AgentResult } from "./answers.js";
import { AgentErrorSchema, type AgentErrorMessage } from "./errors.js";
import { AgentEventSchema, type AgentEvent } from "./events.js";
import type { AgentOp } from "./requests.js";
import { ResumedSchema, type Resumed, WelcomeSchema, type Welcome } from "./session.js";

/** Checks the agent's WELCOME. */
export const checkWelcome: Checker<Welcome> = checker(WelcomeSchema, "WELCOME");
/** Checks the agent's RESUMED. */
export const checkResumed: Checker<Resumed> = checker(ResumedSchema, "RESUMED");
/** Checks an EVENT. */
export const checkEvent: Checker<AgentEvent> = checker(AgentEventSchema, "EVENT");
/** Checks an ERROR. */
export const checkError: Checker<AgentErrorMessage> = checker(AgentErrorSchema, "ERROR");

const results = new Map<AgentOp, Checker<unknown>>(
  (Object.keys(agentResultSchemas) as AgentOp[]).map((op) => [op, checker(agentResultSchemas[op], `RESULT of ${op}`)]),
);

/** Checks the RESULT of an operation. Throws a `PROTOCOL_VIOLATION`. */
export function checkResult<Op extends AgentOp>(op: Op, message: unknown): AgentResult<Op> {
  return (results.get(op) as Checker<AgentResult<Op>>)(message);
}
