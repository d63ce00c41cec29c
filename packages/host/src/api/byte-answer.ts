import type { FastifyReply } from "fastify";
import { toSandboxError } from "@mvm/protocol";
import { sendError } from "./errors.js";

/**
 * An answer of raw bytes with a length announced in its head. It is exactly that long or it visibly breaks off: a file
 * that shrinks or grows while it is read never passes for whole.
 */
export class ByteAnswer {
  /** Aborted when the connection ends before the answer. */
  readonly signal: AbortSignal;
  private left = 0;
  private begun = false;
  private over = false;

  constructor(private readonly reply: FastifyReply) {
    reply.hijack();
    reply.raw.on("error", () => undefined);
    const abort = new AbortController();
    this.signal = abort.signal;
    reply.raw.once("close", () => {
      this.over = true;
      abort.abort();
    });
  }

  begin(headers: Record<string, string | number>): void {
    if (this.over) return;
    this.begun = true;
    this.left = Number(headers["content-length"]);
    this.reply.raw.writeHead(200, headers);
  }

  /** Sends bytes, up to the announced length; resolves when the connection takes more. */
  async write(data: Uint8Array): Promise<void> {
    if (this.over) return;
    const part = data.subarray(0, this.left);
    this.left -= part.byteLength;
    const { raw } = this.reply;
    if (part.byteLength === 0 || raw.write(part)) return;
    await new Promise<void>((resolve) => {
      const next = (): void => {
        raw.off("drain", next).off("close", next);
        resolve();
      };
      raw.on("drain", next).on("close", next);
    });
  }

  end(): void {
    if (this.over) return;
    if (this.left > 0) this.breakOff();
    else this.reply.raw.end();
    this.over = true;
  }

  fail(thrown: unknown, operation: string): void {
    if (this.over) return;
    this.over = true;
    if (this.begun) return this.breakOff();
    sendError(this.reply.raw, toSandboxError(thrown, { dispatched: false, operation }), this.reply.request);
  }

  private breakOff(): void {
    this.reply.raw.destroy();
  }
}
