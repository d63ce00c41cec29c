import type { CreateStreamEvent } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import { createRequestOf } from "@mvm/protocol/workload-request";
import { sandboxPath } from "../daemon/daemon.js";
import type { Context } from "../output/context.js";
import { finishCommand } from "../stream/command-events.js";
import { narrator } from "../stream/notices.js";
import { showWorkloadDecision } from "./decision.js";
import { checkDigest, playWorkload } from "./play.js";
import { showProblems } from "./problems.js";
import { loadFile } from "./sources.js";

/** Says whether the workload of a file would be admitted. Starts nothing. Returns the exit code. */
export async function checkWorkload(file: string, context: Context): Promise<number> {
  const { workload, problems } = await loadFile(file);
  return workload === null ? showProblems(file, problems, context) : showWorkloadDecision(workload, context);
}

/**
 * Runs a workload in a fresh sandbox and destroys it. It asks for exactly what the workload says, through the same
 * admission as every other sandbox. Returns the exit code.
 */
export async function runWorkload(file: string, dryRun: boolean, context: Context): Promise<number> {
  if (dryRun) return checkWorkload(file, context);
  const { workload, problems } = await loadFile(file);
  if (workload === null) return showProblems(file, problems, context);
  const json = createRequestOf(workload);
  const daemon = await context.daemon();
  const tell = narrator(context);
  // The call is the sandbox's lease: it lasts for as long as its events are read, and ends with this process.
  const lease = daemon.events<CreateStreamEvent>({
    ...{ method: "POST", path: "/sandboxes", operation: "sandboxes.create", json },
  });
  try {
    for await (const event of lease) {
      if (event.event !== "created") {
        await tell.hear(event);
        continue;
      }
      tell.stop();
      const { id } = event.sandbox;
      checkDigest(workload, event.sandbox.image.digest);
      const result = await playWorkload(workload, id, daemon, context);
      await daemon.call({ method: "DELETE", path: sandboxPath(id), operation: "sandboxes.destroy" });
      return result === null ? 0 : await finishCommand(result, context);
    }
  } finally {
    tell.stop();
  }
  throw createError("OUTCOME_UNKNOWN", { message: "Cannot tell whether the workload ran: the answer ended early" });
}
