import { Agent, type ClientRequest, type IncomingMessage, request, ServerResponse } from "node:http";
import type { Server } from "node:https";
import { type Duplex, Transform } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { RedactedStream } from "../logs/redact.js";
import { Refusal } from "./decision.js";
import { type Rewritten, rewriteRequest } from "./rewrite.js";
import type { Substituting } from "./substituting.js";

/** Of the head of a request or answer. */
export const maxHeadBytes = 64 * 1024;

/**
 * Passes the requests of one connection to its server, each with values in the place of placeholders, and the answers back
 * with values masked. What comes from the program is parsed and written anew: there is one reading of it, and the server gets
 * that one. Bodies, events and upgraded connections stream in both directions.
 */
export class HttpRelay {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #told = new Set<string>();
  #program: TLSSocket | undefined;
  #fail: (error: unknown) => void = () => undefined;
  /** Secrets whose use by this connection is recorded. */
  readonly #recorded = new Set<string>();
  /** Requests go out in the order they came in. */
  #turn: Promise<void> = Promise.resolve();
  #underWay = 0;
  #over = false;

  constructor(
    server: TLSSocket,
    private readonly to: { readonly host: string; readonly port: number },
    private readonly substituting: Substituting,
  ) {
    let given = false;
    this.#agent.createConnection = () => {
      if (given || server.destroyed) throw new Error("the server's side is gone");
      given = true;
      return server;
    };
    server.once("close", () => {
      this.#over = true;
      if (this.#underWay === 0) this.#program?.end();
    });
  }

  /** @param fail ends the connection: with a Refusal, or because it broke */
  serve(http: Server, fail: (error: unknown) => void): void {
    this.#fail = fail;
    const answer = (incoming: IncomingMessage, response: ServerResponse): void => this.#guarded(incoming, response);
    for (const event of ["request", "checkContinue", "checkExpectation"] as const) http.on(event, answer);
    http.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on("error", () => undefined);
      const response = new ServerResponse(incoming);
      response.assignSocket(socket as TLSSocket);
      response.once("finish", () => socket.end());
      this.#guarded(incoming, response, (outgoing) => this.#upgrade(outgoing, socket, head));
    });
    http.on("connect", () => fail(new Refusal("not_http")));
    http.on("clientError", (error: NodeJS.ErrnoException) => {
      // Its TLS has failed, which the server tells as well.
      if (this.#program === undefined) return;
      const malformed = error.code?.startsWith("HPE_") === true && error.code !== "HPE_INVALID_EOF_STATE";
      fail(malformed ? new Refusal("not_http") : error);
    });
  }

  /** The program has believed the certificate. */
  attach(program: TLSSocket): void {
    this.#program = program;
    if (this.#over) program.end();
  }

  #guarded(incoming: IncomingMessage, response: ServerResponse, more?: (outgoing: ClientRequest) => void): void {
    this.#turn = this.#turn
      .then(async () => {
        const rewritten = await this.#rewritten(incoming);
        // The program may have gone meanwhile.
        if (response.closed) return;
        const outgoing = this.#exchange(incoming, response, rewritten);
        more?.(outgoing);
        outgoing.flushHeaders();
      })
      .catch((error: unknown) => this.#fail(error));
  }

  /** The request as it goes out, once the use of every secret in it is recorded. */
  async #rewritten(incoming: IncomingMessage): Promise<Rewritten> {
    const { host } = this.to;
    for (;;) {
      const rewritten = rewriteRequest(incoming, this.to, (name, text) =>
        this.substituting.substitute(host, name, text),
      );
      const unrecorded = [...rewritten.sent].filter((secret) => !this.#recorded.has(secret));
      if (unrecorded.length === 0) return rewritten;
      try {
        await Promise.all(unrecorded.map((secret) => this.substituting.mayUse(secret)));
      } catch {
        throw new Refusal("audit_unavailable");
      }
      // Written down takes a while, in which a secret may have been removed: what goes out is made of what is there then.
      for (const secret of unrecorded) this.#recorded.add(secret);
    }
  }

  #exchange(incoming: IncomingMessage, response: ServerResponse, rewritten: Rewritten): ClientRequest {
    const { host, port } = this.to;
    const { headers, sent, kept } = rewritten;
    for (const secret of sent) this.#tell(secret, true);
    for (const secret of kept) this.#tell(secret, false);
    const outgoing = request({
      ...{ agent: this.#agent, host, port, method: incoming.method, path: incoming.url, headers },
      ...{ maxHeaderSize: maxHeadBytes, insecureHTTPParser: false },
    });
    outgoing.maxHeadersCount = 0;
    this.#underWay += 1;
    response.once("close", () => {
      this.#underWay -= 1;
      if (this.#over && this.#underWay === 0) this.#program?.end();
    });
    let answered = false;
    // An answer that came before the whole request may end it.
    outgoing.on("error", (error) => answered || this.#fail(error));
    outgoing.on("continue", () => response.writeContinue());
    outgoing.on("response", (answer: IncomingMessage) => {
      answered = true;
      this.#answer(answer, response);
    });
    incoming.on("error", (error) => this.#fail(error));
    incoming.pipe(outgoing, { end: false });
    incoming.once("end", () => {
      outgoing.addTrailers(pairs(incoming.rawTrailers));
      outgoing.end();
    });
    return outgoing;
  }

  #answer(answer: IncomingMessage, response: ServerResponse): void {
    const mask = this.substituting.mask();
    const headers = answer.rawHeaders.map((text, at) => (at % 2 === 0 ? text : masked(mask, text)));
    response.sendDate = false;
    response.writeHead(answer.statusCode ?? 502, masked(mask, answer.statusMessage ?? ""), headers);
    response.flushHeaders();
    answer.on("error", (error) => this.#fail(error));
    answer
      .pipe(masking(mask))
      .once("end", () => {
        response.addTrailers(
          pairs(answer.rawTrailers).map(([name, text]): [string, string] => [name, masked(mask, text)]),
        );
        response.end();
      })
      .pipe(response, { end: false });
  }

  /** Websockets, and whatever else both sides agree on: from the answer on, bytes. */
  #upgrade(outgoing: ClientRequest, program: Duplex, head: Buffer): void {
    outgoing.on("upgrade", (answer: IncomingMessage, server: Duplex, first: Buffer) => {
      const mask = this.substituting.mask();
      const lines = pairs(answer.rawHeaders).map(([name, text]) => `${name}: ${masked(mask, text)}\r\n`);
      const status = `HTTP/1.1 ${answer.statusCode} ${masked(mask, answer.statusMessage ?? "")}\r\n`;
      program.write(Buffer.from(`${status}${lines.join("")}\r\n`, "latin1"));
      if (head.length > 0) server.write(head);
      if (first.length > 0) server.unshift(first);
      program.pipe(server);
      server.pipe(masking(mask)).pipe(program);
    });
  }

  #tell(secret: string, sent: boolean): void {
    const key = `${secret} ${sent}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.substituting.onSecret(secret, sent);
  }
}

function masking(mask: RedactedStream): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => done(null, mask.push(chunk)),
    flush: (done) => done(null, mask.flush()),
  });
}

/** A text that is there as a whole, of bytes as headers hold them. */
function masked(mask: RedactedStream, text: string): string {
  return Buffer.concat([mask.push(Buffer.from(text, "latin1")), mask.flush()]).toString("latin1");
}

function pairs(raw: readonly string[]): [string, string][] {
  return raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ""] as [string, string]] : []));
}
