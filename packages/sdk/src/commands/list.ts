import { type ProcessInfoDocument, SandboxUnavailable, validatePid } from "@mvm/protocol";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { type CamelKeys, camelKeys } from "../wire/camel.js";
import { Process } from "./process.js";

/** A command of the sandbox, as the guest tells it. */
export type ProcessInfo = CamelKeys<ProcessInfoDocument>;

/** The commands of the sandbox. */
export async function list(target: Target, options?: CallOptions): Promise<ProcessInfo[]> {
  const call = callOf(target, { method: "GET", path: "/processes", operation: "commands.list" }, options);
  const { processes } = await target.client.json<{ processes: ProcessInfoDocument[] }>(call);
  return processes.map(camelKeys);
}

/** A handle to a command that was started before. Throws `SandboxUnavailable` (`PROCESS_NOT_FOUND`) when there is none. */
export async function connect(target: Target, pid: number, options?: CallOptions): Promise<Process> {
  validatePid(pid);
  const found = (await list(target, options)).find((process) => process.pid === pid);
  if (found !== undefined) return new Process(target, pid, found.runId);
  throw new SandboxUnavailable({
    code: "PROCESS_NOT_FOUND",
    message: `Cannot connect to process ${pid}: the sandbox has no such command`,
    sandboxId: target.id,
    operation: "commands.connect",
  });
}
