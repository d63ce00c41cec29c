import { SandboxError } from "@mvm/protocol/errors";
import { wantsJson } from "./command/globals.js";
import { type Cancellation, Cancelled } from "./output/cancellation.js";
import type { Sink } from "./output/sink.js";
import { asSandboxError, errorDocument, errorLines, errorStacks, exitCodeOf } from "./render/error.js";

/** Streams of the process and what ended it, if anything did. */
export interface Ends {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly cancellation: Cancellation;
}

/**
 * Shows why the command failed, in the form the command line asks for. Returns the exit code. Never rejects: when the
 * streams themselves are broken, the code is all that is left to say it with.
 */
export async function report(thrown: unknown, line: readonly string[], ends: Ends): Promise<number> {
  const cause: unknown = ends.cancellation.signal.aborted ? ends.cancellation.signal.reason : thrown;
  const json = wantsJson(line);
  const say = (sink: Sink, text: string) => sink.write(text).catch(() => undefined);
  const debug = process.env["MVM_DEBUG"] === "1" || line.slice(0, endOfOptions(line)).includes("--debug");
  if (cause instanceof Cancelled) {
    if (json) await say(ends.stdout, `${JSON.stringify(cancelledDocument(cause))}\n`);
    return cause.exitCode;
  }
  const error = asSandboxError(cause);
  if (json) await say(ends.stdout, `${JSON.stringify(errorDocument(error))}\n`);
  await say(ends.stderr, errorLines(error));
  if (debug) await say(ends.stderr, errorStacks(cause));
  return exitCodeOf(error);
}

function endOfOptions(line: readonly string[]): number {
  const end = line.indexOf("--");
  return end < 0 ? line.length : end;
}

function cancelledDocument(cause: Cancelled): object {
  return new SandboxError({
    code: "CANCELLED",
    message: `Cannot finish the command: it was cancelled (${cause.reason})`,
    boundary: "client",
    hint: "Start it again if it is still wanted",
  }).toDocument();
}
