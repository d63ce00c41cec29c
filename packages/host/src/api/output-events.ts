import { commandResultToDocument } from "@mvm/protocol";
import type { OutputSink, Process } from "../commands/process.js";
import type { RingChunk } from "../commands/ring.js";
import type { EventStream } from "./event-stream.js";

/** Sends output as it comes; while the connection takes no more the guest gets no credit. */
export function streamingSink(stream: EventStream): OutputSink {
  return (chunk) => (sendChunk(stream, chunk) ? undefined : stream.drained());
}

/** Sends `started` at the moment the program runs, before any of its output. */
export function announceStarted(stream: EventStream, process: Process): void {
  process.events.once("started", (pid) => void stream.send({ event: "started", pid, run_id: process.runId }));
}

/** Sends the `end` event with the result. */
export async function sendEnd(stream: EventStream, process: Process): Promise<void> {
  stream.send({ event: "end", result: commandResultToDocument(await process.result) });
}

/**
 * Sends a command's output from a position on, at the pace of the connection, then its end. The command is never held up:
 * what falls out of its ring before it is sent is reported as a gap.
 */
export async function followOutput(stream: EventStream, process: Process, from: number): Promise<void> {
  let cursor = Math.min(from, process.ring.cursor);
  while (!stream.ended) {
    const { lostBytes, chunks } = process.ring.since(cursor);
    if (lostBytes > 0) stream.send({ event: "gap", from: cursor, to: cursor + lostBytes });
    cursor += lostBytes;
    for (const chunk of chunks) {
      cursor = chunk.cursor;
      if (!sendChunk(stream, chunk)) break;
    }
    await stream.drained();
    if (cursor < process.ring.cursor) continue;
    if (process.over) return await sendEnd(stream, process);
    await nextChange(stream, process);
  }
}

function sendChunk(stream: EventStream, { stream: event, data, cursor }: RingChunk): boolean {
  return stream.send({
    event,
    data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
    cursor,
  });
}

async function nextChange(stream: EventStream, { events }: Process): Promise<void> {
  let wake: () => void = () => undefined;
  const change = new Promise<void>((resolve) => (wake = resolve));
  events.on("output", wake).on("end", wake);
  await Promise.race([change, stream.gone]);
  events.off("output", wake).off("end", wake);
}
