import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance } from "fastify";
import { InvalidArgumentError, limits } from "@mvm/protocol";
import { parseMessage } from "@mvm/protocol/frames";

/** Longest time the JSON body of a request may take to arrive. Milliseconds. */
const bodyDeadlineMs = 30_000;

/** JSON bodies: parsed as strictly as the channel's messages, within a size and a time. */
export function installJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer", bodyLimit: limits.requestBodyBytes },
    (_request, body, done) => {
      try {
        done(null, parseJson(body as Buffer));
      } catch (error) {
        done(error as Error);
      }
    },
  );
  app.addHook("preParsing", async (request, _reply, payload) => {
    // A body that is not there is never read to its end, and must not cut off the answer.
    if (request.routeOptions.config?.rawBody === true || !hasBody(request.headers)) return payload;
    const timer = setTimeout(() => request.raw.socket.destroy(), bodyDeadlineMs);
    const stop = (): void => clearTimeout(timer);
    payload.once("end", stop).once("close", stop).once("error", stop);
    return payload;
  });
}

/** For calls that take raw bytes of any length: the handler reads the request itself. */
export function installRawBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
}

function hasBody({ "content-length": length, "transfer-encoding": encoding }: IncomingHttpHeaders): boolean {
  return encoding !== undefined || (length !== undefined && Number(length) !== 0);
}

function parseJson(body: Buffer): unknown {
  if (body.byteLength === 0) return undefined;
  try {
    return body.byteLength <= limits.messageBytes ? parseMessage(body) : (JSON.parse(body.toString("utf8")) as unknown);
  } catch (error) {
    const why = error instanceof SyntaxError ? "it is not JSON" : (error as Error).message;
    throw new InvalidArgumentError({ message: `Cannot read the request's body: ${why}` });
  }
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** The handler reads the body itself; no size and no time limit apply to it as a whole. */
    rawBody?: boolean;
  }
}
