import type { CommandRequest, ProcessStreamEvent } from "@mvm/protocol";
import { callOf, type Target } from "../sandbox/target.js";
import { defined, refuseUnknown } from "../wire/options.js";
import type { Command, StartOptions } from "./options.js";
import { Process } from "./process.js";
import { commandRequest } from "./request.js";

const known: ReadonlySet<string> = new Set(
  Object.keys({
    cwd: true,
    env: true,
    user: true,
    timeoutSeconds: true,
    timeoutMs: true,
    maxOutputBytes: true,
    spill: true,
    stdin: true,
    pty: true,
    signal: true,
    requestTimeoutMs: true,
  } satisfies { readonly [Option in keyof StartOptions]-?: true }),
);

/** What `commands.start` asks the daemon for. Throws `InvalidArgumentError`. */
export function startRequest(command: Command, options: StartOptions): CommandRequest {
  refuseUnknown("commands.start", options, known);
  return defined({
    ...commandRequest(command, options),
    stdin: options.stdin ?? "pipe",
    pty: options.pty === undefined ? undefined : { rows: options.pty.rows, cols: options.pty.cols },
    background: true,
  });
}

/** Starts a command and returns while it runs. */
export async function start(target: Target, command: Command, options: StartOptions = {}): Promise<Process> {
  const json = startRequest(command, options);
  options.signal?.throwIfAborted();
  const call = callOf(target, { method: "POST", path: "/processes", operation: "commands.start", json }, options);
  const stream = await target.client.stream<ProcessStreamEvent>(call);
  try {
    for await (const event of stream) {
      if (event.event === "started") return new Process(target, event.pid, event.run_id);
    }
  } finally {
    stream.close();
  }
  throw stream.cutShort("started");
}
