import { randomUUID } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { type CodeLanguage, type CodeRequest, type ContextRequest, createError } from "@mvm/protocol";
import {
  CodeRequestSchema,
  ContextDeletedSchema,
  ContextInfoSchema,
  ContextListSchema,
  ContextRefSchema,
  ContextRequestSchema,
  SandboxRefSchema,
} from "@mvm/protocol/schemas";
import { contextsOf } from "../code/contexts.js";
import { runCode } from "../code/run.js";
import type { ApiContext } from "./context.js";
import { streamEvents } from "./event-stream.js";

type Ref = { Params: { ref: string } };

const languages: readonly CodeLanguage[] = ["python", "javascript"];

/** Code in contexts that keep their state. */
export function codeRoutes(app: FastifyInstance, { services }: ApiContext): void {
  const { registry } = services;

  app.post<Ref & { Body: CodeRequest }>(
    "/v1/sandboxes/:ref/code",
    { schema: { params: SandboxRefSchema, body: CodeRequestSchema } },
    (request, reply) =>
      streamEvents(request, reply, "code.run", async (stream) => {
        const sandbox = registry.get(request.params.ref, "run code in");
        const result = await runCode(services, sandbox, request.body, {
          signal: stream.signal,
          onStarted: (pid, runId) => void stream.send({ event: "started", pid, run_id: runId }),
          onOutput: (event, data) => {
            if (request.body.stream !== true) return;
            return stream.send({ event, data: data.toString("base64") }) ? undefined : stream.drained();
          },
        });
        stream.send({ event: "end", result });
      }),
  );

  app.get<Ref>(
    "/v1/sandboxes/:ref/code/contexts",
    { schema: { params: SandboxRefSchema, response: { 200: ContextListSchema } } },
    async (request) => {
      const sandbox = registry.get(request.params.ref, "list the contexts of");
      const lists = await Promise.all(languages.map((language) => contextsOf(sandbox, language).list()));
      return { contexts: lists.flat() };
    },
  );

  app.post<Ref & { Body: ContextRequest }>(
    "/v1/sandboxes/:ref/code/contexts",
    { schema: { params: SandboxRefSchema, body: ContextRequestSchema, response: { 200: ContextInfoSchema } } },
    async (request) => {
      const { language, cwd } = request.body;
      const context = request.body.context ?? randomUUID();
      const sandbox = registry.get(request.params.ref, "make a context in");
      const body = { language, context, code: null, ...(cwd !== undefined && { cwd }) };
      const { error } = await runCode(services, sandbox, body, {
        signal: new AbortController().signal,
        onStarted: () => undefined,
        onOutput: () => undefined,
      });
      const made = (await contextsOf(sandbox, language).list()).find((found) => found.context === context);
      if (made !== undefined) return made;
      throw createError("GUEST_ERROR", {
        message: `Cannot make the context: ${error?.value ?? "it is gone"}`,
        response: { kind: "unavailable", errno: null },
      });
    },
  );

  app.delete<{ Params: { ref: string; language: CodeLanguage; context: string } }>(
    "/v1/sandboxes/:ref/code/contexts/:language/:context",
    { schema: { params: ContextRefSchema, response: { 200: ContextDeletedSchema } } },
    async (request) => {
      const { ref, language, context } = request.params;
      const sandbox = registry.get(ref, "delete a context of");
      return { deleted: await contextsOf(sandbox, language).delete(context) };
    },
  );
}
