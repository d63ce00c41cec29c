import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import { limits, OutcomeUnknownError, type CommandResult, type ExecResult } from "@mvm/protocol";
import { OutputCapture } from "@mvm/protocol/capture";
import type { AgentSession, AgentStream } from "../agent/types.js";
import { type RedactedStream, type Redactor, withheld } from "../logs/redact.js";
import { checkedAnswer } from "../sandboxes/agent-answer.js";
import { outputPassed } from "./flood-relief.js";
import { OutputRing, type OutputStream, type RingChunk } from "./ring.js";

/** Output of a command that is not background is kept for late readers only a little: its caller has it. Bytes. */
const foregroundRingBytes = 64 * 1024;

const nothing = new Uint8Array(0);

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** Takes output as it comes. A promise holds the guest back until it resolves: the credit is given only then. */
export type OutputSink = (chunk: RingChunk) => void | Promise<void>;

export interface ProcessOptions {
  readonly runId: string;
  readonly argv: readonly string[];
  readonly user: string;
  readonly cwd: string;
  readonly background: boolean;
  readonly maxOutputBytes: number;
  readonly sink?: OutputSink;
  readonly startedAt?: Date;
  readonly pid?: number;
  /** Takes protected values out of the output before anybody sees it. */
  readonly redactor: Redactor;
}

/** What of a command's end the host knows by itself, and what the guest says of it. */
export interface CommandEnd {
  readonly guest: ExecResult;
  readonly durationMs: number;
}

/** One command of a guest, from the request to its end. Bounded, whatever the guest writes. */
export class Process {
  readonly runId: string;
  readonly argv: readonly string[];
  readonly user: string;
  readonly cwd: string;
  readonly background: boolean;
  readonly ring: OutputRing;
  readonly stdout: OutputCapture;
  readonly stderr: OutputCapture;
  /** SHA-256 of all output so far, also of what the result leaves out. */
  readonly digests = { stdout: createHash("sha256"), stderr: createHash("sha256") };
  /** `started` with the guest's pid, `output` after every chunk, `end` once; in the order of the channel. */
  readonly events = new EventEmitter<{ started: [pid: number]; output: []; end: [] }>();
  /** The program runs; null when the guest could not start it and the end says why. Never rejects. */
  readonly started: Promise<number | null>;
  /** The guest's account of the end. Rejects with a typed error when it is lost or was never started. */
  readonly ended: Promise<CommandEnd>;
  /** The result; set by whoever started or adopted the command. Rejects like `ended`. */
  result!: Promise<CommandResult>;
  over = false;
  /** How often the sink could not take output at once, so that the guest was held back. */
  heldBack = 0;
  pid: number | null;
  startedAt: Date;
  private readonly stream: AgentStream;
  private readonly sink: OutputSink | undefined;
  private readonly redaction: Readonly<Record<OutputStream, RedactedStream>>;
  /** Why output could not be cleaned. */
  private unclean: unknown;
  private began = performance.now();
  private announce: (pid: number | null) => void = () => undefined;

  constructor(
    session: AgentSession,
    request: { op: "exec" | "attach" } & Record<string, unknown>,
    options: ProcessOptions,
  ) {
    this.runId = options.runId;
    this.argv = options.argv;
    this.user = options.user;
    this.cwd = options.cwd;
    this.background = options.background;
    this.sink = options.sink;
    this.redaction = { stdout: options.redactor.stream(), stderr: options.redactor.stream() };
    this.pid = options.pid ?? null;
    this.startedAt = options.startedAt ?? new Date();
    this.ring = new OutputRing(options.background ? limits.processRingBytes : foregroundRingBytes);
    this.stdout = new OutputCapture(options.maxOutputBytes);
    this.stderr = new OutputCapture(options.maxOutputBytes);
    this.events.setMaxListeners(0);
    this.started = new Promise((resolve) => (this.announce = resolve));
    this.stream = session.open(request, {
      manualCredit: true,
      onEvent: (event) => this.onEvent(event),
      onData: (data) => this.onData("stdout", data),
      onDataErr: (data) => this.onData("stderr", data),
    });
    this.ended = this.settle(request.op);
    this.ended.catch(() => undefined);
  }

  /** Writes to stdin; resolves when the guest has room for more. @throws {OutcomeUnknownError} command or stdin have ended */
  async write(data: Uint8Array): Promise<void> {
    if (await this.stream.write(data)) return;
    throw new OutcomeUnknownError({
      message: "Cannot write to the command's stdin: it has ended",
      runId: this.runId,
    });
  }

  closeStdin(): void {
    this.stream.end();
  }

  /** Kills the command and everything it started, at once. */
  cancel(): void {
    this.stream.cancel();
  }

  private onEvent(event: Record<string, unknown>): void {
    const { pid } = event;
    if (event["event"] !== "started" || typeof pid !== "number" || !Number.isInteger(pid) || pid < 1) return;
    this.pid = pid;
    this.began = performance.now();
    this.startedAt = new Date();
    this.announce(pid);
    this.events.emit("started", pid);
  }

  private onData(stream: OutputStream, data: Uint8Array): void {
    const size = data.byteLength;
    outputPassed(size);
    this.deliver(stream, this.redact(stream, data), size);
  }

  /** Output without protected values. What cannot be cleaned is not passed on: the command ends with an error. */
  private redact(stream: OutputStream, data: Uint8Array | null): Uint8Array {
    try {
      if (this.unclean !== undefined) return nothing;
      const redaction = this.redaction[stream];
      if (data === null) return redaction.flush();
      return redaction.push(asBuffer(data));
    } catch (error) {
      this.unclean = error;
      this.stream.cancel();
      return nothing;
    }
  }

  /** @param size bytes the guest may send in return */
  private deliver(stream: OutputStream, data: Uint8Array, size: number): void {
    if (data.byteLength === 0) return size > 0 ? this.stream.grant(size) : undefined;
    this[stream].push(data);
    this.digests[stream].update(data);
    this.ring.push(stream, data);
    const chunk = { stream, data, cursor: this.ring.cursor };
    this.events.emit("output");
    // Handlers of the session must not throw: a failing reader loses its output, the command goes on.
    const grant = (): void => (size > 0 ? this.stream.grant(size) : undefined);
    const take = (): void | Promise<void> => {
      const held = this.sink?.(chunk);
      if (held !== undefined) this.heldBack += 1;
      return held;
    };
    void (async () => take())().then(grant, grant);
  }

  private async settle(op: "exec" | "attach"): Promise<CommandEnd> {
    try {
      const answer = await this.stream.result;
      const durationMs = performance.now() - this.began;
      for (const stream of ["stdout", "stderr"] as const) this.deliver(stream, this.redact(stream, null), 0);
      if (this.unclean !== undefined) throw withheld(this.runId, this.unclean);
      return { guest: checkedAnswer<"exec" | "attach">(op, answer), durationMs };
    } catch (error) {
      throw this.unclean === undefined ? error : withheld(this.runId, this.unclean);
    } finally {
      this.over = true;
      this.announce(null);
      this.events.emit("end");
    }
  }
}
