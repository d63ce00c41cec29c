import type { FastifyInstance, FastifyRequest } from "fastify";
import { InvalidArgumentError, type EndReason, type RunRequest } from "@mvm/protocol";
import { RunRequestSchema } from "@mvm/protocol/schemas";
import { admit } from "../admission/admit.js";
import { startCommand } from "../commands/exec.js";
import { commandSpec, type CommandSpec } from "../commands/spec.js";
import { refuseRun } from "../evidence/run-record.js";
import { createSandbox } from "../sandboxes/create.js";
import { destroySandbox } from "../sandboxes/destroy.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import type { ApiContext } from "./context.js";
import { streamEvents, type EventStream } from "./event-stream.js";
import { announceCreated } from "./lease-stream.js";
import { announceStarted, sendEnd, streamingSink } from "./output-events.js";
import { admissionFacts } from "./sandboxes.js";

/** One-shot: a fresh sandbox, one command, gone. The command is sent to the guest before the guest has said that it is ready. */
export function runRoutes(app: FastifyInstance, { services }: ApiContext): void {
  app.post<{ Body: RunRequest }>("/v1/runs", { schema: { body: RunRequestSchema } }, (request, reply) =>
    streamEvents(request, reply, "run", async (stream) => {
      const began = performance.now();
      const spec = commandSpec(request.body.command);
      if (spec.background) throw refused("/command/background");
      if (request.body.sandbox.detach === true) throw refused("/sandbox/detach");
      const sandbox = await createForRun(services, request, spec, stream);
      const ready = sandbox.live?.session.ready;
      let reason: EndReason = "destroyed";
      void stream.gone.then(() => end("client_gone"));
      const end = (why: EndReason): void => {
        if (sandbox.destroying !== null) return;
        services.tasks.run("run", () => destroySandbox(services, sandbox, why));
      };
      try {
        const createMs = performance.now() - began;
        const before = { began, createMs, start: sandbox.boot?.start ?? null };
        const sink = spec.stream ? streamingSink(stream) : undefined;
        // What the request leaves open is the image's to say.
        const settled = commandSpec(request.body.command, sandbox.defaults);
        const process = await startCommand(services, sandbox, settled, before, sink);
        announceCreated(stream, sandbox, createMs);
        announceStarted(stream, process);
        await sendEnd(stream, process);
        // The answer is complete before the clean-up begins: the caller does not wait for it.
        stream.end();
      } catch (error) {
        if (stream.signal.aborted) reason = "client_gone";
        // A guest that never answered is a failed boot: nothing of the command has happened.
        await ready;
        throw error;
      } finally {
        end(reason);
      }
    }),
  );
}

/** A run that gets no sandbox has its entry and its receipt all the same. */
async function createForRun(
  services: Services,
  request: FastifyRequest<{ Body: RunRequest }>,
  spec: CommandSpec,
  stream: EventStream,
): Promise<Sandbox> {
  try {
    const admitted = await admit(request.body.sandbox, await admissionFacts(request, services));
    return await createSandbox(services, admitted, {
      signal: stream.signal,
      onProgress: (progress) => void stream.send({ event: "progress", ...progress }),
      onNotice: (message) => void stream.send({ event: "notice", message }),
      waitReady: false,
    });
  } catch (error) {
    await refuseRun(services, spec, error, request.body.sandbox.tenant);
    throw error;
  }
}

function refused(pointer: string): InvalidArgumentError {
  return new InvalidArgumentError({
    message: `Cannot accept ${pointer} of a run: its sandbox ends with its command`,
    hint: "Create a sandbox and start the command in it",
    context: { pointer },
  });
}
