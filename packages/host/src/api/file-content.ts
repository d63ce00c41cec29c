import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { OutcomeUnknownError } from "@mvm/protocol";
import { FileReadQuerySchema, FileWriteQuerySchema, FileWrittenSchema, SandboxRefSchema } from "@mvm/protocol/schemas";
import { hashed } from "../files/hash.js";
import { readFile, type OpenFile } from "../files/read.js";
import { writeFile } from "../files/write.js";
import { requireLive } from "../sandboxes/state.js";
import { installRawBodies } from "./bodies.js";
import type { ApiContext } from "./context.js";
import { ByteAnswer } from "./byte-answer.js";

type Ref = { Params: { ref: string } };
interface ReadQuery {
  path: string;
  offset?: string;
  length?: string;
}
interface WriteQuery {
  path: string;
  mode?: string;
  mtime_ms?: string;
  exclusive?: "true" | "false";
  append?: "true" | "false";
}

/** File content as raw bytes, of any size, at the pace of the slower end. */
export function fileContentRoutes(app: FastifyInstance, { services }: ApiContext): void {
  installRawBodies(app);
  const { registry } = services;

  app.get<Ref & { Querystring: ReadQuery }>(
    "/v1/sandboxes/:ref/files/content",
    { schema: { params: SandboxRefSchema, querystring: FileReadQuerySchema } },
    async (request, reply) => {
      const sandbox = registry.get(request.params.ref, "read a file of");
      const live = requireLive(sandbox, "read a file of");
      const { path } = request.query;
      const offset = number(request.query.offset) ?? 0;
      const length = number(request.query.length);
      const answer = new ByteAnswer(reply);
      try {
        await readFile(live, {
          ...{ path, offset, signal: answer.signal },
          ...(length !== undefined && { length }),
          onOpen: (file) => answer.begin(headersOf(file, offset, length)),
          onData: (data) => answer.write(data),
        });
        answer.end();
      } catch (error) {
        answer.fail(error, "files.read");
      }
    },
  );

  app.put<Ref & { Querystring: WriteQuery }>(
    "/v1/sandboxes/:ref/files/content",
    {
      config: { rawBody: true },
      schema: { params: SandboxRefSchema, querystring: FileWriteQuerySchema, response: { 200: FileWrittenSchema } },
    },
    async (request) => {
      const sandbox = registry.get(request.params.ref, "write a file of");
      const live = requireLive(sandbox, "write a file of");
      const { path, mode, mtime_ms, exclusive, append } = request.query;
      const size = number(request.headers["content-length"]);
      const hash = createHash("sha256");
      const bytes = await writeFile(live, {
        path,
        body: hashed(request.raw, hash),
        ...(mode !== undefined && { mode: Number(mode) }),
        ...(mtime_ms !== undefined && { mtimeMs: Number(mtime_ms) }),
        ...(exclusive !== undefined && { exclusive: exclusive === "true" }),
        ...(append !== undefined && { append: append === "true" }),
        ...(size !== undefined && { size }),
      });
      if (size !== undefined && bytes !== size) {
        throw new OutcomeUnknownError({
          message: `Cannot vouch for the file: the guest wrote ${bytes} of ${size} bytes`,
        });
      }
      return { bytes, sha256: hash.digest("hex") };
    },
  );
}

function headersOf(file: OpenFile, offset: number, length: number | undefined): Record<string, string | number> {
  const left = Math.max(0, file.size - offset);
  return {
    "content-type": "application/octet-stream",
    "content-length": length === undefined ? left : Math.min(left, length),
    "x-mvm-mode": file.mode,
    "x-mvm-mtime-ms": file.mtimeMs,
  };
}

function number(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
