import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import {
  deadline,
  OutcomeUnknownError,
  type Accelerator,
  TransportError,
  VmBootTimeoutError,
  VmQemuCrashError,
} from "@mvm/protocol";
import {
  encodeFill,
  type Frame,
  FrameDecoder,
  FrameType,
  MessageAssembler,
  parseMessage,
  syncBytes,
} from "@mvm/protocol/frames";
import { channelGeneration } from "@mvm/protocol/schemas";
import type { MachineExit } from "../backends/backend.js";
import { checkAnswer } from "./answers.js";
import { Outbox } from "./outbox.js";
import { resumeMessage } from "./resume.js";
import { RequestStream } from "./stream.js";
import type { AgentSession, AgentStream, ResumeFields, StreamHandlers } from "./types.js";

export interface SessionOptions {
  readonly accel: Accelerator;
  readonly resume: ResumeFields;
  /** How long WELCOME may take: a guest that still boots is slower than one that was restored. Default `restore`. */
  readonly helloDeadline?: "boot" | "restore" | "hello";
  /** The machine is paused: the guest is greeted by `refresh`, when it can answer. */
  readonly paused?: boolean;
  /** Tells a dead machine from a broken channel. */
  readonly machineExited?: Promise<MachineExit>;
}

type Closed = Awaited<AgentSession["closed"]>;

/** How long the end of a channel waits for the news that its machine is gone. Milliseconds. */
const exitNewsMs = 1_000;

/**
 * Opens a session on a connected channel: sends SYNC, HELLO and RESUME at once; requests may follow without waiting.
 * Everything the guest sends is checked before it is believed; the first thing that may not be ends the session.
 */
export function openAgentSession(channel: Duplex, options: SessionOptions): AgentSession {
  return new Session(channel, options);
}

class Session implements AgentSession {
  readonly ready: AgentSession["ready"];
  readonly closed: Promise<Closed>;
  readonly #channel: Duplex;
  readonly #options: SessionOptions;
  readonly #outbox: Outbox;
  readonly #decoder = new FrameDecoder("guest");
  readonly #messages = new MessageAssembler();
  readonly #streams = new Map<number, RequestStream>();
  readonly #nonce = randomBytes(16).toString("hex");
  #nextStream = 1;
  #over: Closed | undefined;
  #welcome: { agent: string; caps: readonly string[] } | undefined;
  #becomeReady!: (welcome: { agent: string; caps: readonly string[] }) => void;
  #failReady!: (error: Error) => void;
  #resolveClosed!: (closed: Closed) => void;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #refreshing: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(channel: Duplex, options: SessionOptions) {
    this.#channel = channel;
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#failReady = reject;
    });
    // Whoever does not wait for readiness learns of a failure through its own stream.
    this.ready.catch(() => undefined);
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.#outbox = new Outbox(channel);
    this.#decoder.scan();
    channel.on("data", (chunk: Buffer) => this.#read(chunk));
    channel.on("error", () => undefined);
    channel.once("close", () => void this.#channelClosed());
    if (options.paused === true) return;
    this.#greet();
    this.#watchHello();
  }

  get greeted(): boolean {
    return this.#welcome !== undefined;
  }

  async refresh(become?: ResumeFields): Promise<void> {
    if (!this.greeted) {
      this.#greet();
      this.#watchHello();
      await this.ready;
      return;
    }
    if (this.#over !== undefined) throw this.#lost(this.#over, true);
    const refreshed = new Promise<void>((resolve, reject) => this.#refreshing.push({ resolve, reject }));
    this.#outbox.message(FrameType.RESUME, 0, resumeMessage(become ?? { ...this.#options.resume, adopted: true }));
    await refreshed;
  }

  open(request: { readonly op: string } & Record<string, unknown>, handlers: StreamHandlers = {}): AgentStream {
    const id = this.#nextStream;
    this.#nextStream = id + 1;
    const stream = new RequestStream(id, request.op, this.#outbox, handlers, () => this.#streams.delete(id));
    if (this.#over !== undefined) stream.fail(this.#lost(this.#over, false));
    else {
      this.#streams.set(id, stream);
      this.#outbox.message(FrameType.REQUEST, id, request);
    }
    return stream;
  }

  async call(
    request: { readonly op: string } & Record<string, unknown>,
    options: { signal?: AbortSignal; deadlineMs?: number } = {},
  ): Promise<Record<string, unknown>> {
    options.signal?.throwIfAborted();
    const stream = this.open(request);
    const cancel = (): void => stream.cancel();
    options.signal?.addEventListener("abort", cancel, { once: true });
    const patience = options.deadlineMs ?? deadline("agentRequest", this.#options.accel);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        stream.cancel();
        const message = `Cannot finish "${request.op}" in the guest: no answer within ${patience} ms`;
        reject(new OutcomeUnknownError({ message, context: { op: request.op } }));
      }, patience);
    });
    try {
      return (await Promise.race([stream.result, late])) as Record<string, unknown>;
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", cancel);
    }
  }

  close(): void {
    this.#finish({ reason: "closed", detail: "closed by the host" });
  }

  #greet(): void {
    this.#outbox.raw(syncBytes);
    this.#outbox.message(FrameType.HELLO, 0, { gen: channelGeneration, nonce: this.#nonce });
    this.#outbox.message(FrameType.RESUME, 0, resumeMessage(this.#options.resume));
  }

  #watchHello(): void {
    const { accel, helloDeadline = "restore", resume } = this.#options;
    const patience = deadline(helloDeadline, accel);
    const giveUp = (): void => {
      const message = `Cannot reach the guest's agent: no answer to HELLO within ${patience} ms (phase agent-hello)`;
      this.#failReady(new VmBootTimeoutError({ message }));
      this.#finish({ reason: "closed", detail: "agent-hello deadline" });
    };
    this.#timers.push(setTimeout(giveUp, patience));
    if (resume.adopted !== true) return;
    // A former daemon may have died inside a frame: enough zeros end that frame, and the agent finds SYNC behind them.
    const again = (): void => {
      this.#outbox.raw(encodeFill());
      this.#greet();
    };
    this.#timers.push(setTimeout(again, deadline("hello", accel) / 10));
  }

  #read(chunk: Buffer): void {
    if (this.#over !== undefined) return;
    try {
      for (const frame of this.#decoder.push(chunk)) this.#frame(frame);
    } catch (error) {
      this.#violation(error instanceof Error ? error.message : "undecodable bytes");
    }
  }

  #frame(frame: Frame): void {
    if (this.#over !== undefined) return;
    switch (frame.type) {
      case FrameType.SYNC:
        return;
      case FrameType.WELCOME:
        return this.#welcomed(frame);
      case FrameType.RESUMED:
        this.#timers.splice(0).forEach((timer) => clearTimeout(timer));
        this.#refreshing.shift()?.resolve();
        return this.#becomeReady(this.#welcome!);
      default:
        return this.#forStream(frame);
    }
  }

  #forStream(frame: Frame): void {
    // A stream that is unknown was closed by this side while the frame was on its way.
    const stream = this.#streams.get(frame.stream);
    if (frame.type !== FrameType.RESULT) return stream?.receive(frame);
    const whole = this.#messages.push(frame);
    if (whole !== undefined) stream?.answer(checkAnswer(stream.op, whole.message));
  }

  #welcomed(frame: Frame): void {
    const message = parseMessage(frame.payload) as { gen?: unknown; nonce?: unknown; agent?: unknown; caps?: unknown };
    if (message.nonce !== this.#nonce) return; // an answer to a daemon that is no more: the search goes on
    this.#decoder.accept();
    if (message.gen !== channelGeneration) {
      const text = `Cannot use this guest: its agent speaks channel generation ${String(message.gen)}, this host ${channelGeneration}`;
      this.#failReady(new TransportError({ message: text, hint: "Build the image again" }));
      return this.#finish({ reason: "protocol_violation", detail: "channel generation" });
    }
    const caps = Array.isArray(message.caps) ? message.caps.filter((cap) => typeof cap === "string") : [];
    this.#welcome = { agent: typeof message.agent === "string" ? message.agent.slice(0, 64) : "", caps };
  }

  #violation(detail: string): void {
    this.#finish({ reason: "protocol_violation", detail });
  }

  async #channelClosed(): Promise<void> {
    const { machineExited } = this.#options;
    const news = machineExited?.then(() => true) ?? Promise.resolve(false);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), exitNewsMs)));
    const gone = await Promise.race([news, patience]);
    clearTimeout(timer);
    this.#finish(
      gone
        ? { reason: "machine_gone", detail: "the machine ended" }
        : { reason: "closed", detail: "the channel closed" },
    );
  }

  #finish(closed: Closed): void {
    if (this.#over !== undefined) return;
    this.#over = closed;
    this.#timers.splice(0).forEach((timer) => clearTimeout(timer));
    this.#outbox.close();
    this.#channel.destroy();
    // A guest that never said WELCOME has not acted on anything it was sent.
    const error = this.#lost(closed, this.#welcome !== undefined);
    this.#failReady(error);
    for (const { reject } of this.#refreshing.splice(0)) reject(error);
    for (const stream of [...this.#streams.values()]) stream.fail(error);
    this.#resolveClosed(closed);
  }

  #lost(closed: Closed, dispatched: boolean): Error {
    const message = `Cannot reach the sandbox any more: ${closed.detail}`;
    return dispatched
      ? new OutcomeUnknownError({ message, context: { reason: closed.reason } })
      : closed.reason === "machine_gone"
        ? new VmQemuCrashError({ message: `Cannot start the machine: it ended before its agent answered` })
        : new TransportError({ message, outcome: "not_started", context: { reason: closed.reason } });
  }
}
