import type { FastifyInstance } from "fastify";
import { runnerLanguage } from "@mvm/images";
import type { CommandRequest, ProcessInfoDocument } from "@mvm/protocol";
import {
  CommandRequestSchema,
  ProcessEventsQuerySchema,
  ProcessListSchema,
  ProcessRefSchema,
  SandboxRefSchema,
} from "@mvm/protocol/schemas";
import { startCommand } from "../commands/exec.js";
import { commandSpec } from "../commands/spec.js";
import { checkedAnswer } from "../sandboxes/agent-answer.js";
import { requireLive } from "../sandboxes/state.js";
import type { ApiContext } from "./context.js";
import { streamEvents } from "./event-stream.js";
import { announceStarted, followOutput, sendEnd, streamingSink } from "./output-events.js";

type Ref = { Params: { ref: string } };

/** Commands of a sandbox: start, list, follow. */
export function processRoutes(app: FastifyInstance, { services }: ApiContext): void {
  const { registry } = services;

  app.post<Ref & { Body: CommandRequest }>(
    "/v1/sandboxes/:ref/processes",
    { schema: { params: SandboxRefSchema, body: CommandRequestSchema } },
    (request, reply) =>
      streamEvents(request, reply, "commands.run", async (stream) => {
        const spec = commandSpec(request.body, registry.find(request.params.ref)?.defaults);
        const sandbox = registry.get(request.params.ref, "run a command in");
        const before = { began: performance.now(), createMs: null, start: null };
        const live = spec.stream && !spec.background;
        const process = await startCommand(services, sandbox, spec, before, live ? streamingSink(stream) : undefined);
        announceStarted(stream, process);
        if (!spec.background) {
          void stream.gone.then(() => process.cancel());
          return await sendEnd(stream, process);
        }
        if (spec.stream) return await followOutput(stream, process, 0);
        await Promise.race([sendEnd(stream, process), stream.gone]);
      }),
  );

  app.get<Ref>(
    "/v1/sandboxes/:ref/processes",
    { schema: { params: SandboxRefSchema, response: { 200: ProcessListSchema } } },
    async (request) => {
      const sandbox = registry.get(request.params.ref, "list the commands of");
      const { session } = requireLive(sandbox, "list the commands of");
      const { processes } = checkedAnswer("ps", await session.call({ op: "ps" }));
      return {
        processes: processes
          .filter(({ argv }) => runnerLanguage(argv) === null)
          .map(({ started_ms, ...process }): ProcessInfoDocument => {
            const known = sandbox.processes.find(process.pid);
            // The guest's clock is asked only about what this daemon has not started itself.
            const started = known?.startedAt.toISOString() ?? timeOf(started_ms);
            return { ...process, run_id: known?.runId ?? null, started_at: started };
          }),
      };
    },
  );

  app.get<{ Params: { ref: string; pid: string }; Querystring: { from?: string } }>(
    "/v1/sandboxes/:ref/processes/:pid/events",
    { schema: { params: ProcessRefSchema, querystring: ProcessEventsQuerySchema } },
    (request, reply) =>
      streamEvents(request, reply, "commands.connect", async (stream) => {
        const sandbox = registry.get(request.params.ref, "follow a command of");
        const process = sandbox.processes.get(Number(request.params.pid), "commands.connect");
        const { from } = request.query;
        stream.open();
        await followOutput(stream, process, from === undefined ? process.ring.cursor : Number(from));
      }),
  );
}

/** The guest's clock may say anything; a time outside of what a Date holds is shown as the epoch. */
function timeOf(ms: number): string {
  return new Date(ms <= 8.64e15 ? ms : 0).toISOString();
}
