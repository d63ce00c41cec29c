import type { CommandRequest, CommandResultDocument, ProcessStreamEvent, RunStreamEvent } from "@mvm/protocol";
import type { Workload } from "@mvm/protocol/workload";
import { createError } from "@mvm/protocol/errors";
import { appOf, commandRequestOf, entrypointRequestOf } from "@mvm/protocol/workload-request";
import { type Daemon, sandboxPath } from "../daemon/daemon.js";
import type { Context } from "../output/context.js";
import { followCommand } from "../stream/command-events.js";

type File = NonNullable<ReturnType<typeof appOf>["files"]>[number];
type Port = { readonly guest: number; readonly host: number; readonly host_address?: string };

/** Refuses an image of another digest than the one the workload was reviewed with; null is one that was not built yet. */
export function checkDigest(workload: Workload, actual: string | null): void {
  const { digest, reference } = appOf(workload).image;
  const bare = (text: string): string => text.replace(/^sha256:/, "");
  if (digest === undefined || actual === null || bare(digest) === bare(actual)) return;
  throw createError("VERIFICATION_FAILED", {
    message: `Cannot use the image ${JSON.stringify(reference)}: its digest is ${actual}, not ${digest}`,
    hint: "Build or pull the image the workload names, or pin this one and review it again",
  });
}

/**
 * Puts a workload's files into its sandbox, forwards its ports and does its operations, in their order, then its entry
 * point. Returns the last command's result, or that of the first checked one that failed: nothing after it is done.
 */
export async function playWorkload(
  workload: Workload,
  ref: string,
  daemon: Daemon,
  context: Context,
): Promise<CommandResultDocument | null> {
  const { files = [], operations = [], network } = appOf(workload);
  for (const file of files) await writeFile(daemon, ref, file);
  for (const port of network?.ports ?? []) await forward(daemon, ref, port, context);
  let last: CommandResultDocument | null = null;
  for (const operation of operations) {
    if (operation.kind === "files_write") await writeFile(daemon, ref, operation);
    else if (operation.kind === "port_forward") await forward(daemon, ref, operation, context);
    else if (operation.kind === "command_start") await startCommand(daemon, ref, commandRequestOf(operation));
    else {
      last = await runCommand(daemon, ref, commandRequestOf(operation), context);
      if (last.exit_code !== 0 && operation.check !== false) return last;
    }
  }
  const entry = entrypointRequestOf(workload);
  return entry === null ? last : runCommand(daemon, ref, entry, context);
}

async function writeFile(daemon: Daemon, ref: string, { path, bytes_b64, mode }: File): Promise<void> {
  await daemon.call({
    method: "PUT",
    path: sandboxPath(ref, "files", "content"),
    operation: "files.write",
    query: { path, mode },
    body: Buffer.from(bytes_b64, "base64"),
  });
}

async function forward(daemon: Daemon, ref: string, port: Port, context: Context): Promise<void> {
  const { guest, host, host_address } = port;
  const json = { guest_port: guest, host_port: host, ...(host_address !== undefined && { host_address }) };
  const path = sandboxPath(ref, "ports");
  const made = await daemon.call<{ host_address: string; host_port: number }>({
    ...{ method: "POST", path, operation: "ports.forward", json },
  });
  await context.out.note(`${made.host_address}:${made.host_port} leads to port ${guest} of the sandbox`);
}

const call = (ref: string) =>
  ({ method: "POST", path: sandboxPath(ref, "processes"), operation: "commands.run" }) as const;

async function runCommand(
  daemon: Daemon,
  ref: string,
  request: CommandRequest,
  context: Context,
): Promise<CommandResultDocument> {
  const json = { ...request, stream: !context.json };
  const events = daemon.events<ProcessStreamEvent>({ ...call(ref), json }) as AsyncIterable<RunStreamEvent>;
  return followCommand(events, context, { started: () => undefined });
}

async function startCommand(daemon: Daemon, ref: string, request: CommandRequest): Promise<void> {
  const events = daemon.events<ProcessStreamEvent>({ ...call(ref), json: { ...request, background: true } });
  for await (const event of events) if (event.event === "started") return;
}
