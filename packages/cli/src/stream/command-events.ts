import type { CommandResultDocument, ProcessStartedEvent, RunStreamEvent } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import type { Context } from "../output/context.js";
import { narrator } from "./notices.js";

/** What happens on the way to a command's result. */
export interface CommandHandlers {
  /** Called once, when the command runs. */
  readonly started: (event: ProcessStartedEvent) => void;
}

/**
 * Passes a command's output on as it comes and returns its result. The next event is read only when the operating
 * system has taken the last one: a slow reader slows the guest. A stream that ends without a result is an error,
 * never a success.
 */
export async function followCommand(
  events: AsyncIterable<RunStreamEvent>,
  context: Context,
  handlers: CommandHandlers,
): Promise<CommandResultDocument> {
  const { out, cancellation } = context;
  const tell = narrator(context);
  try {
    for await (const event of events) {
      if (event.event === "stdout" || event.event === "stderr") {
        tell.stop();
        // With --json stdout belongs to the one document, whatever the daemon sends.
        if (!context.json) await cancellation.race(out[event.event].write(Buffer.from(event.data, "base64")));
      } else if (event.event === "end") {
        return event.result;
      } else if (event.event === "started") {
        handlers.started(event);
      } else if (event.event === "created") {
        tell.stop();
      } else {
        await tell.hear(event);
      }
    }
  } finally {
    tell.stop();
  }
  throw createError("OUTCOME_UNKNOWN", {
    message: "Cannot tell how the command ended: its stream ended without a result",
  });
}

/** Shows the result with `--json`, says what the exit code alone does not, and returns the exit code. */
export async function finishCommand(result: CommandResultDocument, context: Context): Promise<number> {
  if (context.json) await context.out.jsonLine(result);
  else if (result.timed_out) await context.out.note("the command was killed at its time limit");
  else if (result.oom_killed) await context.out.note("the command was killed because the sandbox ran out of memory");
  return result.exit_code & 0xff;
}
