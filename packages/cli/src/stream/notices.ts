import type { NoticeEvent, ProgressEvent } from "@mvm/protocol";
import type { Progress } from "../render/progress.js";
import type { Context } from "../output/context.js";

/** Shows what the daemon reports while it works: progress on a terminal, notices everywhere. */
export interface Narrator {
  /** Shows the event if it is one of these; false for any other. */
  hear(event: { readonly event: string }): Promise<boolean>;
  /** Takes the progress line away before results are written. */
  stop(): void;
}

/** A narrator that writes to stderr, as the options of the command allow. */
export function narrator(context: Context): Narrator {
  const { out } = context;
  let progress: Progress | undefined;
  return {
    hear: async (event) => {
      if (event.event === "progress") {
        if (context.quiet || !out.stderr.isTTY) return true;
        progress ??= new (await import("../render/progress.js")).Progress(out.stderr);
        progress.update(event as ProgressEvent);
        return true;
      }
      if (event.event !== "notice") return false;
      progress?.stop();
      await out.note((event as NoticeEvent).message);
      return true;
    },
    stop: () => progress?.stop(),
  };
}
