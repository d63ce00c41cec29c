import type { CreatedEvent, CreateStreamEvent } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import type { DaemonCall } from "../daemon/daemon.js";
import type { Context } from "../output/context.js";
import { narrator } from "../stream/notices.js";

/** Makes a call that creates sandboxes, shows its progress, and returns what was created. */
export async function createdBy(context: Context, call: DaemonCall, wanted: number): Promise<CreatedEvent[]> {
  const daemon = await context.daemon();
  const tell = narrator(context);
  const created: CreatedEvent[] = [];
  try {
    for await (const event of daemon.events<CreateStreamEvent>(call)) {
      if (event.event === "created") created.push(event);
      else await tell.hear(event);
    }
  } finally {
    tell.stop();
  }
  if (created.length === wanted) return created;
  throw createError("OUTCOME_UNKNOWN", {
    message: `Cannot tell whether ${call.operation} is done: the answer ended early`,
    hint: "See `mvmctl ls`",
  });
}
