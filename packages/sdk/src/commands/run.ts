import {
  type CommandRequest,
  type CommandResult,
  commandResultFromDocument,
  type ProcessStreamEvent,
} from "@mvm/protocol";
import { callOf, type Target } from "../sandbox/target.js";
import { refuseUnknown } from "../wire/options.js";
import { checkResult } from "./check.js";
import { StdinFeed } from "./feed.js";
import type { Command, RunOptions } from "./options.js";
import { OutputCallback } from "./output.js";
import { commandRequest, stdinRequest } from "./request.js";

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
    onStdout: true,
    onStderr: true,
    check: true,
    signal: true,
    requestTimeoutMs: true,
  } satisfies { readonly [Option in keyof RunOptions]-?: true }),
);

/** What `commands.run` asks the daemon for. Throws `InvalidArgumentError`. */
export function runRequest(command: Command, options: RunOptions): CommandRequest {
  refuseUnknown("commands.run", options, known);
  return {
    ...commandRequest(command, options),
    ...stdinRequest(options.stdin),
    ...((options.onStdout ?? options.onStderr) && { stream: true }),
  };
}

/**
 * Runs a command to its end and returns its result, whatever its exit status. Ends it when the signal aborts. A callback
 * that throws does not disturb the command; the first thing thrown is rethrown after its end.
 */
export async function run(target: Target, command: Command, options: RunOptions = {}): Promise<CommandResult> {
  const json = runRequest(command, options);
  const stdout = new OutputCallback(options.onStdout);
  const stderr = new OutputCallback(options.onStderr);
  options.signal?.throwIfAborted();
  const call = callOf(target, { method: "POST", path: "/processes", operation: "commands.run", json }, options);
  const stream = await target.client.stream<ProcessStreamEvent>(call);
  const feed = new StdinFeed(target, json.stdin === "pipe" ? options.stdin : undefined, () => stream.close());
  try {
    for await (const event of stream) {
      if (event.event === "started") feed.start(event.pid, options);
      else if (event.event === "stdout") await stdout.push(Buffer.from(event.data, "base64"));
      else if (event.event === "stderr") await stderr.push(Buffer.from(event.data, "base64"));
      else if (event.event === "end") {
        await stdout.end();
        await stderr.end();
        const failure = stdout.failure ?? stderr.failure;
        if (failure !== null) throw failure.error;
        const result = commandResultFromDocument(event.result);
        return options.check === true ? checkResult(result) : result;
      }
    }
  } catch (error) {
    throw feed.failure === null ? error : feed.failure.error;
  } finally {
    feed.stop();
  }
  throw stream.cutShort("end");
}
