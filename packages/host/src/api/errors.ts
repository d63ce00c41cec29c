import type { ServerResponse } from "node:http";
import type { FastifyError, FastifyInstance, FastifyRequest } from "fastify";
import { errorRow, InvalidArgumentError, isSandboxError, toSandboxError, type SandboxError } from "@mvm/protocol";
import { failureOf } from "./recording.js";

/** Sends the error document with the status the error table gives its code. */
export function sendError(response: ServerResponse, error: SandboxError, request: FastifyRequest): void {
  const status = errorRow(error.code).http;
  const body = JSON.stringify(failureOf(error, request));
  response.on("error", () => undefined);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

/** Every failure of the API is an error document: our own, those of validation, of HTTP, of the unexpected. */
export function installErrorHandlers(app: FastifyInstance): void {
  app.setErrorHandler((thrown: FastifyError, request, reply) => {
    const operation = `${request.method} ${request.routeOptions.url ?? "unknown"}`;
    const error = isSandboxError(thrown)
      ? thrown
      : (refused(thrown) ?? toSandboxError(thrown, { dispatched: true, operation }));
    // The stack of what nobody foresaw is the only way to find it; typed errors speak for themselves.
    if (error.code === "INTERNAL") request.log.error({ operation, err: thrown.stack }, "unexpected failure");
    const status = error.code === "USAGE" ? 404 : errorRow(error.code).http;
    void reply
      .status(status)
      .type("application/json; charset=utf-8")
      .send(JSON.stringify(failureOf(error, request)));
  });
  app.setNotFoundHandler((request) => {
    throw new InvalidArgumentError({
      code: "USAGE",
      message: `Cannot ${request.method} this path: the API has no such call`,
      hint: "See docs/api.md or GET /v1/openapi.json",
    });
  });
}

/** What Fastify itself refuses: a body that does not fit its schema, is too large, or is no JSON. */
function refused(thrown: FastifyError): SandboxError | undefined {
  if (thrown.validation !== undefined) return invalidRequest(thrown);
  if (thrown.statusCode === 413) {
    return new InvalidArgumentError({
      code: "REQUEST_TOO_LARGE",
      message: "Cannot accept the request: its body is too large",
    });
  }
  if (thrown.statusCode === undefined || thrown.statusCode < 400 || thrown.statusCode >= 500) return undefined;
  return new InvalidArgumentError({ message: `Cannot accept the request: ${thrown.message}` });
}

/** Names the place as a JSON pointer and never shows the value there. */
function invalidRequest(thrown: FastifyError): InvalidArgumentError {
  const { instancePath, keyword, params, message } = deepest(thrown.validation ?? []);
  const extra = keyword === "additionalProperties" ? params["additionalProperty"] : params["missingProperty"];
  const pointer = typeof extra === "string" ? `${instancePath}/${escape(extra)}` : instancePath || "/";
  const problem =
    keyword === "additionalProperties"
      ? "there is no such field"
      : keyword === "required"
        ? "it is missing"
        : `it ${message ?? "is not valid"}`;
  return new InvalidArgumentError({
    message: `Cannot accept ${pointer} of the request's ${thrown.validationContext ?? "body"}: ${problem}`,
    context: { pointer },
  });
}

type Violation = NonNullable<FastifyError["validation"]>[number];

/** Of the branches of a union the one that came furthest says most. */
function deepest(violations: readonly Violation[]): Violation {
  const depth = (path: string): number => path.split("/").length;
  const [first, ...rest] = violations;
  if (first === undefined)
    return { instancePath: "", keyword: "", params: {}, message: "is not valid", schemaPath: "" };
  return rest.reduce(
    (best, next) => (depth(next.instancePath) > depth(best.instancePath) ? next : best),
    unionOf(first, rest),
  );
}

/** A union of literals reports each of them: the allowed words in one sentence are more use. */
function unionOf(first: Violation, rest: readonly Violation[]): Violation {
  const words = [first, ...rest]
    .filter(({ keyword }) => keyword === "const")
    .map(({ params }) => String(params["allowedValue"]));
  return words.length < 2 ? first : { ...first, message: `must be one of ${words.join(", ")}` };
}

function escape(key: string): string {
  return key.slice(0, 128).replaceAll("~", "~0").replaceAll("/", "~1");
}
