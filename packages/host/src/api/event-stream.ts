import type { FastifyReply, FastifyRequest } from "fastify";
import { SandboxUnavailable, toSandboxError } from "@mvm/protocol";
import { sendError } from "./errors.js";
import { failureOf } from "./recording.js";

/**
 * One NDJSON answer. The head is sent with the first event, so that a failure before it is an HTTP status with the error
 * document, and one after it the last line.
 */
export class EventStream {
  /** Aborted when the connection ends before the answer: the caller is gone. */
  readonly signal: AbortSignal;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly gone: Promise<void>;
  private begun = false;
  private over = false;

  constructor(
    private readonly request: FastifyRequest,
    private readonly reply: FastifyReply,
  ) {
    const { raw } = reply;
    reply.hijack();
    raw.on("error", () => undefined);
    const abort = new AbortController();
    this.signal = abort.signal;
    this.gone = new Promise((resolve) => {
      const onClose = (): void => {
        if (!this.over) abort.abort(callerGone());
        this.over = true;
        resolve();
      };
      if (raw.destroyed || raw.closed) onClose();
      else raw.once("close", onClose);
    });
  }

  /** Sends one event. False when the connection takes no more for now: see {@link drained}. Nothing after the end. */
  send(event: { readonly event: string } & Record<string, unknown>): boolean {
    return this.line(event);
  }

  /** Sends a line of a stream that is no event, a log line. */
  line(value: object): boolean {
    if (this.over) return true;
    this.begin();
    return this.reply.raw.write(`${JSON.stringify(value)}\n`);
  }

  /**
   * Sends the head now: for whoever follows something that may be silent for long, and must not take that for a daemon
   * that does not answer.
   */
  open(): void {
    if (this.over) return;
    this.begin();
    this.reply.raw.flushHeaders();
  }

  /** Resolves when the connection takes more, or has ended. */
  async drained(): Promise<void> {
    const { raw } = this.reply;
    if (!this.over && raw.writableNeedDrain) {
      await Promise.race([new Promise<void>((resolve) => void raw.once("drain", resolve)), this.gone]);
    }
  }

  /** What the request announced is there; its entry in the audit log ends here, however long the connection lasts. */
  settle(sandboxId: string): void {
    this.request.recording?.created(sandboxId);
  }

  get ended(): boolean {
    return this.over;
  }

  end(): void {
    if (this.over) return;
    this.begin();
    this.over = true;
    this.reply.raw.end();
  }

  /** Ends the answer with an error. */
  fail(thrown: unknown, operation: string): void {
    const error = toSandboxError(thrown, { dispatched: this.begun, operation });
    this.request.log.info({ code: error.code, operation }, "stream failed");
    if (this.over) return;
    if (!this.begun) {
      this.over = true;
      return sendError(this.reply.raw, error, this.request);
    }
    this.send({ event: "error", error: failureOf(error, this.request).error });
    this.end();
  }

  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.reply.raw.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  }
}

/** Runs a handler that answers with events; whatever it throws ends the answer as an error. */
export async function streamEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  operation: string,
  handler: (stream: EventStream) => Promise<void>,
): Promise<void> {
  const stream = new EventStream(request, reply);
  try {
    await handler(stream);
    stream.end();
  } catch (error) {
    stream.fail(error, operation);
  }
}

/** Why work for a connection that has ended is given up. */
function callerGone(): SandboxUnavailable {
  return new SandboxUnavailable({
    message: "Cannot go on with the request: its connection has ended",
    state: "destroyed",
    reason: "client_gone",
  });
}
