import type { FastifyInstance } from "fastify";
import type { DetachRequest, ForkRequest, SandboxResize } from "@mvm/protocol";
import {
  DetachRequestSchema,
  ForkRequestSchema,
  SandboxInfoSchema,
  SandboxRefSchema,
  SandboxResizeSchema,
} from "@mvm/protocol/schemas";
import { coldSandbox } from "../sandboxes/cold.js";
import { detachSandbox } from "../sandboxes/detach.js";
import { infoOf } from "../sandboxes/info.js";
import { pauseSandbox } from "../sandboxes/pause.js";
import { resizeSandbox } from "../sandboxes/resize.js";
import { resumeSandbox } from "../sandboxes/resume.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { unavailable } from "../sandboxes/state.js";
import { forkSandbox } from "../snapshots/fork.js";
import type { ApiContext } from "./context.js";
import { streamEvents } from "./event-stream.js";
import { announceCreated, streamLease, streamLeases } from "./lease-stream.js";
import { admissionFacts } from "./sandboxes.js";

type Ref = { Params: { ref: string } };

const answer = { params: SandboxRefSchema, response: { 200: SandboxInfoSchema } };

/** What changes a sandbox between its create and its end. */
export function lifecycleRoutes(app: FastifyInstance, { services }: ApiContext): void {
  const verbs: Record<string, (services: Services, sandbox: Sandbox) => Promise<void>> = {
    pause: (_services, sandbox) => pauseSandbox(sandbox),
    resume: (all, sandbox) => resumeSandbox(all, sandbox, { signal: new AbortController().signal }),
    cold: coldSandbox,
  };
  for (const [verb, change] of Object.entries(verbs)) {
    app.post<Ref>(`/v1/sandboxes/:ref/${verb}`, { schema: answer }, async (request) => {
      const sandbox = services.registry.get(request.params.ref, verb);
      await change(services, sandbox);
      return infoOf(sandbox);
    });
  }

  app.post<Ref & { Body: DetachRequest }>(
    "/v1/sandboxes/:ref/detach",
    { schema: { ...answer, body: DetachRequestSchema } },
    async (request) => {
      const { ceilings } = await services.policy.current();
      const sandbox = services.registry.get(request.params.ref, "detach");
      detachSandbox(services, sandbox, request.body, ceilings);
      return infoOf(sandbox);
    },
  );

  app.post<Ref & { Body: SandboxResize }>(
    "/v1/sandboxes/:ref/resize",
    { schema: { ...answer, body: SandboxResizeSchema } },
    async (request) => {
      const sandbox = services.registry.get(request.params.ref, "resize");
      const memory = await resizeSandbox(sandbox, request.body.memory_mb);
      return { ...infoOf(sandbox), memory };
    },
  );

  app.post<Ref>("/v1/sandboxes/:ref/lease", { schema: { params: SandboxRefSchema } }, (request, reply) =>
    streamEvents(request, reply, "sandboxes.lease", async (stream) => {
      const sandbox = services.registry.get(request.params.ref, "hold");
      if (sandbox.detached || sandbox.destroying !== null) throw unavailable(sandbox, "hold");
      stream.settle(sandbox.id);
      stream.send({ event: "leased", sandbox: infoOf(sandbox) });
      await streamLease(services, stream, sandbox);
    }),
  );

  app.post<Ref & { Body: ForkRequest }>(
    "/v1/sandboxes/:ref/fork",
    { schema: { params: SandboxRefSchema, body: ForkRequestSchema } },
    (request, reply) =>
      streamEvents(request, reply, "sandboxes.fork", async (stream) => {
        const began = performance.now();
        const sandbox = services.registry.get(request.params.ref, "fork");
        const forks = await forkSandbox(services, sandbox, request.body, await admissionFacts(request, services), {
          signal: stream.signal,
          onProgress: (progress) => void stream.send({ event: "progress", ...progress }),
          onNotice: (message) => void stream.send({ event: "notice", message }),
          waitReady: true,
          onFork: (fork) => announceCreated(stream, fork, performance.now() - began),
        });
        await streamLeases(
          services,
          stream,
          forks.filter((fork) => !fork.detached),
        );
      }),
  );
}
