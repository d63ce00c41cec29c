import type { FastifyInstance } from "fastify";
import { InvalidArgumentError, type LogLine } from "@mvm/protocol";
import { LogsQuerySchema, SandboxRefSchema } from "@mvm/protocol/schemas";
import type { LogSource } from "../logs/sandbox-logs.js";
import type { ApiContext } from "./context.js";
import { streamEvents, type EventStream } from "./event-stream.js";

/** Lines that wait for a slow reader; what comes beyond is dropped and counted. */
const maxPending = 2_000;

interface LogsQuery {
  follow?: "true" | "false";
  since?: string;
  source?: LogSource;
}

/** A sandbox's console and events. */
export function logRoutes(app: FastifyInstance, { services }: ApiContext): void {
  app.get<{ Params: { ref: string }; Querystring: LogsQuery }>(
    "/v1/sandboxes/:ref/logs",
    { schema: { params: SandboxRefSchema, querystring: LogsQuerySchema } },
    (request, reply) =>
      streamEvents(request, reply, "logs", async (stream) => {
        const sandbox = services.registry.get(request.params.ref, "read the logs of");
        const { follow, since, source } = request.query;
        const sources: LogSource[] = source === undefined ? ["guest", "supervisor"] : [source];
        const pending: LogLine[] = [];
        let dropped = 0;
        let wake: () => void = () => undefined;
        const stop = sandbox.logs.follow(sources, (line) => {
          if (pending.length < maxPending) pending.push(line);
          else dropped += 1;
          wake();
        });
        const over = new Promise<void>((resolve) => {
          sandbox.events.once("ended", () => resolve());
          if (sandbox.state === "destroyed" || sandbox.state === "failed") resolve();
        });
        let ended = false;
        void over.then(() => ((ended = true), wake()));
        try {
          const from = sinceOf(since);
          if (follow === "true") stream.open();
          for (const line of sandbox.logs.read(sources, from)) await send(stream, line);
          while (follow === "true" && !stream.ended) {
            for (const line of pending.splice(0)) await send(stream, line);
            if (dropped > 0) await send(stream, droppedNote(dropped));
            dropped = 0;
            if (pending.length > 0) continue;
            if (ended) break;
            await Promise.race([new Promise<void>((resolve) => (wake = resolve)), stream.gone]);
          }
        } finally {
          stop();
        }
      }),
  );
}

async function send(stream: EventStream, line: LogLine): Promise<void> {
  if (!stream.line(line)) await stream.drained();
}

function droppedNote(lines: number): LogLine {
  return { time: new Date().toISOString(), source: "supervisor", line: JSON.stringify({ event: "dropped", lines }) };
}

function sinceOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isNaN(ms)) return ms;
  throw new InvalidArgumentError({
    message: "Cannot read the logs: since is neither RFC 3339 nor milliseconds since the epoch",
    context: { pointer: "/since" },
  });
}
