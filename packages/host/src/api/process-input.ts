import type { FastifyInstance } from "fastify";
import {
  InvalidArgumentError,
  SandboxUnavailable,
  signalNumber,
  type SignalRequestBody,
  type TerminalSize,
} from "@mvm/protocol";
import {
  ProcessRefSchema,
  SignalRequestBodySchema,
  StdinQuerySchema,
  TerminalSizeSchema,
  WrittenSchema,
} from "@mvm/protocol/schemas";
import { Type } from "@sinclair/typebox";
import type { Process } from "../commands/process.js";
import { requireLive } from "../sandboxes/state.js";
import { installRawBodies } from "./bodies.js";
import type { ApiContext } from "./context.js";

type ProcessRef = { Params: { ref: string; pid: string } };
type Eof = { Querystring: { eof?: "true" | "false" } };

const nothing = Type.Object({});

/** What goes to a running command: signals, the size of its terminal. */
export function processControlRoutes(app: FastifyInstance, { services }: ApiContext): void {
  const control = async (
    params: ProcessRef["Params"],
    request: { op: string } & Record<string, unknown>,
  ): Promise<object> => {
    const sandbox = services.registry.get(params.ref, "control a command of");
    await requireLive(sandbox, "control a command of").session.call({ ...request, pid: Number(params.pid) });
    return {};
  };

  app.post<ProcessRef & { Body: SignalRequestBody }>(
    "/v1/sandboxes/:ref/processes/:pid/signal",
    { schema: { params: ProcessRefSchema, body: SignalRequestBodySchema, response: { 200: nothing } } },
    (request) => {
      const signal = signalNumber(request.body.signal);
      if (signal === null) {
        throw new InvalidArgumentError({
          message: "Cannot send the signal: Linux has none of that name",
          context: { pointer: "/signal" },
        });
      }
      return control(request.params, { op: "signal", signal, tree: request.body.tree ?? false });
    },
  );

  app.post<ProcessRef & { Body: TerminalSize }>(
    "/v1/sandboxes/:ref/processes/:pid/resize",
    { schema: { params: ProcessRefSchema, body: TerminalSizeSchema, response: { 200: nothing } } },
    (request) => control(request.params, { op: "resize", ...request.body }),
  );
}

/** Stdin of a command: raw bytes, taken as fast as the guest reads them. */
export function stdinRoutes(app: FastifyInstance, { services }: ApiContext): void {
  installRawBodies(app);
  const { registry } = services;

  app.post<ProcessRef & Eof>(
    "/v1/sandboxes/:ref/processes/:pid/stdin",
    {
      config: { rawBody: true },
      schema: { params: ProcessRefSchema, querystring: StdinQuerySchema, response: { 200: WrittenSchema } },
    },
    (request) => {
      const sandbox = registry.get(request.params.ref, "write to a command of");
      const process = sandbox.processes.get(Number(request.params.pid), "commands.stdin");
      return feed(process, request.raw, request.query.eof === "true");
    },
  );

  app.post<{ Params: { run_id: string } } & Eof>(
    "/v1/runs/:run_id/stdin",
    { config: { rawBody: true }, schema: { querystring: StdinQuerySchema, response: { 200: WrittenSchema } } },
    (request) => {
      const process = registry.runs.get(request.params.run_id);
      if (process === undefined) {
        throw new SandboxUnavailable({
          code: "PROCESS_NOT_FOUND",
          message: "Cannot write to the run: it is over or unknown",
        });
      }
      return feed(process, request.raw, request.query.eof === "true");
    },
  );
}

async function feed(process: Process, body: AsyncIterable<unknown>, eof: boolean): Promise<{ written_bytes: number }> {
  let written = 0;
  for await (const chunk of body) {
    await process.write(chunk as Buffer);
    written += (chunk as Buffer).byteLength;
  }
  if (eof) process.closeStdin();
  return { written_bytes: written };
}
