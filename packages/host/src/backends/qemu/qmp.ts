import type { Socket } from "node:net";
import { connectTo } from "./connect.js";

/** A QMP event, such as `{event: "STOP"}`. */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Record<string, unknown>;
}

/** QEMU refused a command. */
export class QmpCommandError extends Error {
  override readonly name = "QmpCommandError";
  constructor(
    readonly command: string,
    readonly errorClass: string,
    description: string,
  ) {
    super(`QMP command "${command}" failed: ${description}`);
  }
}

/** The monitor is gone or does not speak QMP. */
export class QmpConnectionError extends Error {
  override readonly name = "QmpConnectionError";
}

/** A monitor line longer than this is no answer to anything asked here. Bytes. */
const maxLine = 4 * 1024 * 1024;

interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * QEMU's machine protocol on a Unix socket: commands carry ids and deadlines, events go to listeners.
 * Protocol: https://www.qemu.org/docs/master/interop/qmp-spec.html
 */
export class QmpClient {
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #socket: Socket;
  readonly #deadlineMs: number;
  #nextId = 1;
  #chunks: Buffer[] = [];
  #size = 0;
  #dead: QmpConnectionError | undefined;
  /** Resolves with the reason when the monitor is gone. */
  readonly closed: Promise<QmpConnectionError>;
  #resolveClosed!: (why: QmpConnectionError) => void;

  private constructor(socket: Socket, deadlineMs: number) {
    this.#socket = socket;
    this.#deadlineMs = deadlineMs;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", (error) => this.#die(`monitor connection failed: ${error.message}`));
    socket.on("close", () => this.#die("monitor connection closed"));
  }

  /**
   * Takes a socket and negotiates without waiting: QEMU reads commands in order, so others may follow at once.
   * A refusal shows as the failure of whatever follows.
   */
  static open(socket: Socket, deadlineMs: number): QmpClient {
    const client = new QmpClient(socket, deadlineMs);
    client.execute("qmp_capabilities").catch(() => undefined);
    return client;
  }

  /** Connects and waits until the monitor answers. */
  static async connect(path: string, deadlineMs: number): Promise<QmpClient> {
    const client = new QmpClient(connectTo(path), deadlineMs);
    try {
      await client.execute("qmp_capabilities");
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Runs one command. @throws {QmpCommandError | QmpConnectionError} */
  execute(command: string, args?: Record<string, unknown>, deadlineMs = this.#deadlineMs): Promise<unknown> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new QmpConnectionError(`QMP command "${command}" got no answer within ${deadlineMs} ms`));
      }, deadlineMs);
      this.#pending.set(id, { command, resolve, reject, timer });
      this.#socket.write(
        JSON.stringify({ execute: command, id, ...(args === undefined ? {} : { arguments: args }) }) + "\n",
      );
    });
  }

  /** Calls `listener` for every event until the returned function is called. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#die("closed by this side");
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...this.#chunks, chunk.subarray(start, end)]);
      this.#chunks = [];
      this.#size = 0;
      start = end + 1;
      this.#line(line);
    }
    if (start < chunk.length) {
      this.#chunks.push(chunk.subarray(start));
      this.#size += chunk.length - start;
      if (this.#size > maxLine) this.#violation(`a line over ${maxLine} bytes`);
    }
  }

  #line(line: Buffer): void {
    if (line.length <= 1) return;
    let message: unknown;
    try {
      message = JSON.parse(line.toString("utf8"));
    } catch {
      this.#violation("a line that is not JSON");
      return;
    }
    if (typeof message !== "object" || message === null) return this.#violation("a line that is no object");
    const { event, id, error } = message as {
      event?: unknown;
      id?: unknown;
      error?: { class?: string; desc?: string };
    };
    if (typeof event === "string") {
      for (const listener of this.#listeners) listener(message as QmpEvent);
      return;
    }
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (pending === undefined) return; // the greeting, or an answer that came after its deadline
    this.#pending.delete(id as number);
    clearTimeout(pending.timer);
    if (error === undefined) pending.resolve((message as { return?: unknown }).return);
    else
      pending.reject(
        new QmpCommandError(pending.command, error.class ?? "GenericError", error.desc ?? "no description"),
      );
  }

  #violation(what: string): void {
    this.#die(`monitor sent ${what}`);
    this.#socket.destroy();
  }

  #die(why: string): void {
    if (this.#dead !== undefined) return;
    this.#dead = new QmpConnectionError(`Cannot talk to QEMU: ${why}`);
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(this.#dead);
    }
    this.#pending.clear();
    this.#chunks = [];
    this.#resolveClosed(this.#dead);
  }
}
