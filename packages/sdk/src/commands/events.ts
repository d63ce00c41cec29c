import { type CommandResult, commandResultFromDocument, type ProcessStreamEvent } from "@mvm/protocol";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";

/** What happens to a started command. `text` never divides a character; `cursor` is where to go on after the event. */
export type ProcessEvent =
  | { readonly type: "stdout" | "stderr"; readonly data: Uint8Array; readonly text: string; readonly cursor: number }
  | { readonly type: "gap"; readonly from: number; readonly to: number }
  | { readonly type: "end"; readonly result: CommandResult };

/** Options for `process.logs`. */
export interface ProcessLogOptions extends CallOptions {
  /** 0 is as far back as the daemon still holds, a cursor goes on behind it. @default only what comes from now on */
  readonly from?: number | undefined;
}

/** The events of a command up to its end. Output that was dropped before it was read shows as a `gap`. */
export async function* processEvents(
  target: Target,
  pid: number,
  options: ProcessLogOptions = {},
): AsyncGenerator<ProcessEvent, void, undefined> {
  const path = `/processes/${pid}/events`;
  const call = callOf(
    target,
    { method: "GET", path, operation: "commands.events", query: { from: options.from } },
    options,
  );
  const stream = await target.client.stream<ProcessStreamEvent>(call);
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  try {
    for await (const event of stream) {
      if (event.event === "stdout" || event.event === "stderr") {
        const data = Buffer.from(event.data, "base64");
        const text = decoders[event.event].decode(data, { stream: true });
        yield { type: event.event, data, text, cursor: event.cursor ?? 0 };
      } else if (event.event === "gap") {
        yield { type: "gap", from: event.from, to: event.to };
      } else if (event.event === "end") {
        yield { type: "end", result: commandResultFromDocument(event.result) };
        return;
      }
    }
    throw stream.cutShort("end");
  } finally {
    stream.close();
  }
}
