import type { FastifyInstance, FastifyRequest } from "fastify";
import {
  InvalidArgumentError,
  type CreateRequest,
  type NetworkPolicyDocument,
  type SandboxState,
  type TtlRequest,
} from "@mvm/protocol";
import {
  CreateRequestSchema,
  DestroyResultSchema,
  NetworkPolicySchema,
  SandboxInfoSchema,
  SandboxListQuerySchema,
  SandboxListSchema,
  SandboxRefSchema,
  TtlRequestSchema,
} from "@mvm/protocol/schemas";
import { admit, type AdmissionFacts } from "../admission/admit.js";
import { gatherFacts } from "../sandboxes/admission-facts.js";
import { createSandbox } from "../sandboxes/create.js";
import { destroyGuarantee, destroySandbox } from "../sandboxes/destroy.js";
import { infoOf } from "../sandboxes/info.js";
import { notFound } from "../sandboxes/registry.js";
import type { Services } from "../sandboxes/services.js";
import { stopSandbox } from "../sandboxes/stop.js";
import { startSandbox } from "../sandboxes/start.js";
import { setNetwork } from "../sandboxes/network.js";
import { measuredMemory } from "../sandboxes/memory.js";
import { setTtl } from "../sandboxes/ttl.js";
import type { ApiContext } from "./context.js";
import { streamEvents } from "./event-stream.js";
import { announceCreated, streamLease } from "./lease-stream.js";

type Ref = { Params: { ref: string } };

/** Header by which a client passes MVM_ACK_PERMISSIVE_RUN=1 of its own environment on. */
const acknowledgeHeader = "x-mvm-ack-permissive";

/** Creates, lists and ends sandboxes. */
export function sandboxRoutes(app: FastifyInstance, { services, idempotency }: ApiContext): void {
  const { registry } = services;

  app.post<{ Body: CreateRequest }>("/v1/sandboxes", { schema: { body: CreateRequestSchema } }, (request, reply) =>
    streamEvents(request, reply, "sandboxes.create", async (stream) => {
      const began = performance.now();
      const admitted = await admit(request.body, await admissionFacts(request, services));
      const create = (stamp: Parameters<Parameters<typeof idempotency.use>[2]>[0] | null) =>
        createSandbox(services, admitted, {
          signal: stream.signal,
          onProgress: (progress) => void stream.send({ event: "progress", ...progress }),
          onNotice: (message) => void stream.send({ event: "notice", message }),
          waitReady: true,
          idempotency: stamp,
        });
      const key = request.headers["idempotency-key"];
      const sandbox = typeof key === "string" ? await idempotency.use(key, request.body, create) : await create(null);
      announceCreated(stream, sandbox, performance.now() - began);
      if (!sandbox.detached) await streamLease(services, stream, sandbox);
    }),
  );

  app.get<{ Querystring: { tag?: string | string[]; state?: SandboxState } }>(
    "/v1/sandboxes",
    { schema: { querystring: SandboxListQuerySchema, response: { 200: SandboxListSchema } } },
    (request) => {
      const { state, tag = [] } = request.query;
      const wanted = [tag].flat().map(parseTag);
      const known = [
        ...registry.list().map(infoOf),
        ...(state === "destroyed" || state === "failed" ? registry.ended() : []),
      ];
      const sandboxes = known.filter(
        (info) =>
          (state === undefined || info.state === state) && wanted.every(([key, value]) => info.tags[key] === value),
      );
      return { sandboxes };
    },
  );

  app.get<Ref>(
    "/v1/sandboxes/:ref",
    { schema: { params: SandboxRefSchema, response: { 200: SandboxInfoSchema } } },
    async (request) => {
      const { ref } = request.params;
      const sandbox = registry.find(ref);
      if (sandbox !== undefined) return { ...infoOf(sandbox), memory: await measuredMemory(sandbox) };
      const ended = registry.findEnded(ref);
      if (ended === undefined) throw notFound(ref, "inspect");
      return ended;
    },
  );

  app.post<Ref>(
    "/v1/sandboxes/:ref/stop",
    { schema: { params: SandboxRefSchema, response: { 200: SandboxInfoSchema } } },
    async (request) => {
      const sandbox = registry.get(request.params.ref, "stop");
      await stopSandbox(services, sandbox);
      return infoOf(sandbox);
    },
  );

  app.post<Ref>(
    "/v1/sandboxes/:ref/start",
    { schema: { params: SandboxRefSchema, response: { 200: SandboxInfoSchema } } },
    async (request) => {
      const sandbox = registry.get(request.params.ref, "start");
      await startSandbox(services, sandbox, { signal: new AbortController().signal });
      return infoOf(sandbox);
    },
  );

  app.delete<Ref>(
    "/v1/sandboxes/:ref",
    { schema: { params: SandboxRefSchema, response: { 200: DestroyResultSchema } } },
    async (request) => {
      const { ref } = request.params;
      const sandbox = registry.find(ref);
      if (sandbox === undefined) {
        if (registry.findEnded(ref) === undefined) throw notFound(ref, "destroy");
        return { destroyed: false, guarantee: destroyGuarantee };
      }
      await destroySandbox(services, sandbox, "destroyed");
      return { destroyed: true, guarantee: destroyGuarantee };
    },
  );

  app.put<Ref & { Body: TtlRequest }>(
    "/v1/sandboxes/:ref/ttl",
    { schema: { params: SandboxRefSchema, body: TtlRequestSchema, response: { 200: SandboxInfoSchema } } },
    async (request) => {
      const { ceilings } = await services.policy.current();
      const sandbox = registry.get(request.params.ref, "set the TTL of");
      setTtl(services, sandbox, request.body.ttl_seconds, ceilings);
      return infoOf(sandbox);
    },
  );

  app.put<Ref & { Body: NetworkPolicyDocument }>(
    "/v1/sandboxes/:ref/network",
    { schema: { params: SandboxRefSchema, body: NetworkPolicySchema, response: { 200: SandboxInfoSchema } } },
    async (request) => {
      const sandbox = registry.get(request.params.ref, "set the network of");
      await setNetwork(services, sandbox, request.body);
      return infoOf(sandbox);
    },
  );
}

/** What admission needs to know about the caller and the host. */
export async function admissionFacts(request: FastifyRequest, services: Services): Promise<AdmissionFacts> {
  return await gatherFacts(services, request.headers[acknowledgeHeader] === "1");
}

function parseTag(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new InvalidArgumentError({
    message: 'Cannot filter by tag: it is not of the form "key=value"',
    context: { pointer: "/tag" },
  });
}
