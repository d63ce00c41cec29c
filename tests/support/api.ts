import { request, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { join } from "node:path";

/** Answers are looked into freely: what they must look like is the matter of the tests of the protocol. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Loose = any;
export type Line = { readonly event?: string } & Record<string, Loose>;

/** Plain HTTP over the socket of a home's daemon. Starts nothing, repeats nothing, trusts nothing. */
export class Api {
  readonly socketPath: string;

  constructor(home: string) {
    this.socketPath = join(home, "run", "mvmd.sock");
  }

  async open(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const payload = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    const length = payload === undefined ? {} : { "content-length": String(Buffer.byteLength(payload)) };
    const type = payload === undefined ? {} : { "content-type": "application/json" };
    return await new Promise((resolve, reject) => {
      const call = request({
        ...{ socketPath: this.socketPath, agent: false, method, path },
        headers: { ...type, ...length, ...headers },
      });
      call.once("response", (response) => resolve(new Answer(response, () => call.destroy())));
      call.on("error", reject);
      call.end(payload);
    });
  }

  /** The answer as one JSON document. */
  async json(method: string, path: string, body?: unknown, headers?: Record<string, string>) {
    const answer = await this.open(method, path, body, headers);
    const text = await answer.text();
    return { status: answer.status, body: (text === "" ? undefined : JSON.parse(text)) as Loose };
  }

  /** The lines of a stream that ends by itself; an error before the stream is its only line. */
  async lines(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Line[]> {
    const answer = await this.open(method, path, body, headers);
    const lines: Line[] = [];
    for (let line = await answer.next(); line !== undefined; line = await answer.next()) lines.push(line);
    return lines;
  }

  /** Runs a command to its end. Throws the error document as text. */
  async exec(ref: string, argv: readonly string[]): Promise<Loose> {
    const last = (await this.lines("POST", `/v1/sandboxes/${ref}/processes`, { argv })).at(-1);
    if (last?.event !== "end") throw new Error(JSON.stringify(last));
    return last["result"];
  }

  /** Creates a sandbox. An attached one lives until `abort` of the answer. */
  async create(body: object = {}, headers?: Record<string, string>): Promise<{ info: Loose; lease: Answer }> {
    const lease = await this.open("POST", "/v1/sandboxes", body, headers);
    return { info: (await lease.until("created"))["sandbox"], lease };
  }

  async sandboxes(): Promise<Loose[]> {
    return (await this.json("GET", "/v1/sandboxes")).body.sandboxes;
  }
}

/** One answer, read line by line as its lines are wanted. */
export class Answer {
  readonly #lines: AsyncIterator<string>;

  constructor(
    readonly response: IncomingMessage,
    /** Ends the connection, as the death of a client does. */
    readonly abort: () => void,
  ) {
    response.on("error", () => undefined);
    this.#lines = createInterface({ input: response, crlfDelay: Infinity })[Symbol.asyncIterator]();
  }

  get status(): number {
    return this.response.statusCode ?? 0;
  }

  async next(): Promise<Line | undefined> {
    const { value, done } = await this.#lines.next();
    return done === true ? undefined : (JSON.parse(value) as Line);
  }

  /** The next line of that kind. Throws an error line, an error document, or the end of the stream. */
  async until(event: string): Promise<Line> {
    for (;;) {
      const line = await this.next();
      if (line === undefined) throw new Error(`the stream ended before "${event}"`);
      if (line.event === event) return line;
      if (line["error"] !== undefined) throw new Error(JSON.stringify(line["error"]));
    }
  }

  async text(): Promise<string> {
    let text = "";
    for (let line = await this.#lines.next(); line.done !== true; line = await this.#lines.next()) text += line.value;
    return text;
  }
}
