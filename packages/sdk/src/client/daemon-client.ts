import type { IncomingMessage } from "node:http";
import { deadline, isSandboxError, type Version } from "@mvm/protocol";
import { bodyOf, chunksOf, jsonOf, succeeded, throwAnswer } from "./answer.js";
import { type Call } from "./call.js";
import { EventStream, type StreamEvent } from "./event-stream.js";
import { type HomePaths, homePaths, resolveHome } from "./home.js";
import { exchange } from "./http.js";
import { launchDaemon } from "./launch.js";
import { checkSocket } from "./socket.js";

/** Options for {@link DaemonClient}. */
export interface DaemonClientOptions {
  /** State root. @default `$MVM_HOME`, else `$XDG_DATA_HOME/mvm`, else `~/.local/share/mvm` */
  readonly home?: string | undefined;
  /** Start the daemon when it does not run. @default true */
  readonly autoStart?: boolean | undefined;
  /** Milliseconds to wait for the daemon's answer to one call. @default 30 000 */
  readonly requestTimeoutMs?: number | undefined;
}

/** An answer with raw bytes: its headers and its chunks, which are read as they are taken. */
export interface RawAnswer {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly chunks: AsyncGenerator<Buffer, void, undefined>;
  /** The whole content; rejects when it is longer than the limit. */
  body(limit?: number): Promise<Buffer>;
  close(): void;
}

/** Pauses before trying again when the daemon's queue of connections is full. */
const backlogPausesMs = [20, 50, 100, 200, 400, 800];

/**
 * Speaks the HTTP API of one state root's daemon. Holds no connection that keeps a process alive; there is nothing to
 * close. Every rejection is an error of mvm, or the reason of the call's signal.
 */
export class DaemonClient {
  readonly paths: HomePaths;
  readonly requestTimeoutMs: number;
  readonly #autoStart: boolean;

  constructor(options: DaemonClientOptions = {}) {
    this.paths = homePaths(options.home ?? resolveHome());
    this.requestTimeoutMs = options.requestTimeoutMs ?? deadline("request");
    this.#autoStart = options.autoStart ?? true;
  }

  /** Starts the daemon unless it answers already. */
  async start(signal?: AbortSignal): Promise<Version> {
    await launchDaemon(this.paths, signal);
    return this.json<Version>({ method: "GET", path: "/version", operation: "daemon.version", signal });
  }

  /** Makes a call and resolves with its JSON answer. */
  async json<T>(call: Call): Promise<T> {
    const incoming = await this.#send(call);
    return (await jsonOf(incoming, call, call.timeoutMs ?? this.requestTimeoutMs)) as T;
  }

  /** Makes a call that answers with a stream of events. Closing the stream ends the connection. */
  async stream<Event extends StreamEvent>(call: Call): Promise<EventStream<Event>> {
    const streaming = { patient: () => true, ...call };
    return new EventStream<Event>(await this.#send(streaming), streaming);
  }

  /** Makes a call that answers with raw bytes. */
  async raw(call: Call): Promise<RawAnswer> {
    const incoming = await this.#send({ patient: () => true, ...call });
    return {
      headers: incoming.headers,
      chunks: chunksOf(incoming, call),
      body: (limit) => bodyOf(incoming, call, call.timeoutMs ?? this.requestTimeoutMs, limit),
      close: () => incoming.destroy(),
    };
  }

  /** The answer of a call that succeeded; throws what another answer carries. */
  async #send(call: Call): Promise<IncomingMessage> {
    const timeoutMs = call.timeoutMs ?? this.requestTimeoutMs;
    const incoming = await this.#reach(call, timeoutMs);
    return succeeded(incoming) ? incoming : await throwAnswer(incoming, call, timeoutMs);
  }

  /**
   * Exchanges, starting the daemon or waiting for its queue where that is the only obstacle: nothing was sent then. A GET
   * whose connection broke is sent once more.
   */
  async #reach(call: Call, timeoutMs: number): Promise<IncomingMessage> {
    let started = !this.#autoStart || call.running === true;
    let repeated = call.method !== "GET";
    for (let busy = 0; ;) {
      call.signal?.throwIfAborted();
      checkSocket(this.paths);
      try {
        return await exchange(this.paths.socket, call, timeoutMs);
      } catch (error) {
        if (!isSandboxError(error)) throw error;
        if (error.code === "TRANSPORT_FAILED" && !repeated) {
          repeated = true;
          continue;
        }
        if (error.outcome !== "not_started") throw error;
        const pauseMs = backlogPausesMs[busy];
        if (error.code === "COMMUNICATION_TRANSIENT" && pauseMs !== undefined) {
          busy++;
          await new Promise((done) => setTimeout(done, pauseMs));
        } else if (error.code === "DAEMON_UNAVAILABLE" && !started) {
          started = true;
          await launchDaemon(this.paths, call.signal);
        } else {
          throw error;
        }
      }
    }
  }
}
