import { CommandFailed, type CommandResult, Timeout } from "@mvm/protocol";

function howItEnded(result: CommandResult): string {
  if (result.oomKilled) return "it was killed because the memory ran out";
  return result.signal === null ? `it exited with status ${result.exitCode}` : `it was ended by ${result.signal}`;
}

/** Returns the result of a command that exited with 0; throws `Timeout` or `CommandFailed` with it otherwise. */
export function checkResult(result: CommandResult): CommandResult {
  const details = {
    operation: "commands.run",
    sandboxId: result.sandboxId,
    runId: result.runId,
    auditId: result.auditId,
    result,
  };
  if (result.timedOut) {
    throw new Timeout({ ...details, message: "Cannot finish the command: it was killed at its time limit" });
  }
  if (result.exitCode === 0) return result;
  throw new CommandFailed({ ...details, message: `Cannot finish the command: ${howItEnded(result)}` });
}
