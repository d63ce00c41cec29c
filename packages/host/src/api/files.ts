import type { FastifyInstance } from "fastify";
import {
  InvalidArgumentError,
  limits,
  validateGuestPath,
  type AgentOp,
  type AgentResult,
  type MkdirBody,
  type RenameBody,
} from "@mvm/protocol";
import {
  ChmodBodySchema,
  FileCreatedSchema,
  FileEntrySchema,
  FileListQuerySchema,
  FileListSchema,
  FileRemovedSchema,
  FileRemoveQuerySchema,
  FileStatQuerySchema,
  MkdirBodySchema,
  RenameBodySchema,
  SandboxRefSchema,
  SymlinkBodySchema,
} from "@mvm/protocol/schemas";
import { Type } from "@sinclair/typebox";
import { callFiles } from "../files/call.js";
import { hashFile } from "../files/hash.js";
import { requireLive } from "../sandboxes/state.js";
import type { ApiContext } from "./context.js";

type Ref = { Params: { ref: string } };
type Flag = "true" | "false";
const params = SandboxRefSchema;
const nothing = Type.Object({});

/** Names of files and directories: list, stat, make, move, remove. Content is beside this file. */
export function fileRoutes(app: FastifyInstance, { services }: ApiContext): void {
  const call = <Op extends AgentOp>(ref: string, op: Op, fields: Record<string, unknown>): Promise<AgentResult<Op>> => {
    const sandbox = services.registry.get(ref, `use files of`);
    return callFiles(requireLive(sandbox, "use files of"), op, fields);
  };
  const at = (name: string): string => `/v1/sandboxes/:ref/files${name}`;

  app.get<Ref & { Querystring: { path: string; cursor?: string; limit?: string } }>(
    at("/list"),
    { schema: { params, querystring: FileListQuerySchema, response: { 200: FileListSchema } } },
    ({ params: { ref }, query: { path, cursor, limit } }) =>
      call(ref, "list", {
        path: validateGuestPath(path),
        ...(cursor !== undefined && { cursor }),
        ...(limit !== undefined && { limit: pageSize(Number(limit)) }),
      }),
  );
  app.get<Ref & { Querystring: { path: string; follow?: Flag; sha256?: Flag } }>(
    at("/stat"),
    { schema: { params, querystring: FileStatQuerySchema, response: { 200: FileEntrySchema } } },
    async ({ params: { ref }, query: { path, follow, sha256 }, raw }) => {
      const live = requireLive(services.registry.get(ref, "use files of"), "use files of");
      const where = { path: validateGuestPath(path) };
      const entry = await callFiles(live, "stat", {
        ...where,
        ...(follow !== undefined && { follow: follow === "true" }),
      });
      if (sha256 !== "true" || entry.type !== "file") return entry;
      return { ...entry, sha256: await hashFile(live, path, raw.socket) };
    },
  );
  app.post<Ref & { Body: MkdirBody }>(
    at("/mkdir"),
    { schema: { params, body: MkdirBodySchema, response: { 200: FileCreatedSchema } } },
    ({ params: { ref }, body }) => call(ref, "mkdir", { ...body, path: validateGuestPath(body.path) }),
  );
  app.post<Ref & { Body: RenameBody }>(
    at("/rename"),
    { schema: { params, body: RenameBodySchema, response: { 200: nothing } } },
    ({ params: { ref }, body }) =>
      call(ref, "rename", { ...body, from: validateGuestPath(body.from), to: validateGuestPath(body.to) }),
  );
  app.post<Ref & { Body: { path: string; target: string } }>(
    at("/symlink"),
    { schema: { params, body: SymlinkBodySchema, response: { 200: nothing } } },
    ({ params: { ref }, body }) => call(ref, "symlink", { path: validateGuestPath(body.path), target: body.target }),
  );
  app.post<Ref & { Body: { path: string; mode: number } }>(
    at("/chmod"),
    { schema: { params, body: ChmodBodySchema, response: { 200: nothing } } },
    ({ params: { ref }, body }) => call(ref, "chmod", { path: validateGuestPath(body.path), mode: body.mode }),
  );
  app.delete<Ref & { Querystring: { path: string; recursive?: Flag } }>(
    at(""),
    { schema: { params, querystring: FileRemoveQuerySchema, response: { 200: FileRemovedSchema } } },
    ({ params: { ref }, query: { path, recursive } }) =>
      call(ref, "remove", { path: validateGuestPath(path), recursive: recursive === "true" }),
  );
}

function pageSize(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= limits.listPageMax) return limit;
  throw new InvalidArgumentError({
    message: `Cannot list ${limit} entries a page: the limit is 1 to ${limits.listPageMax}`,
    context: { pointer: "/limit" },
  });
}
