import { type CommandResult, invalid, type SignalRequestBody, signalNumber, type TerminalSize } from "@mvm/protocol";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { checkResult } from "./check.js";
import { type ProcessEvent, processEvents, type ProcessLogOptions } from "./events.js";
import { sendStdin } from "./stdin.js";

/** Options for `process.kill`. */
export interface KillOptions extends CallOptions {
  /** Signal what the command started as well. @default true */
  readonly tree?: boolean | undefined;
}

/** A started command. It goes on when this handle is dropped, until it ends or its sandbox does. */
export class Process implements AsyncIterable<ProcessEvent> {
  readonly pid: number;
  /** Null when the daemon does not know the run any more. */
  readonly runId: string | null;
  readonly #target: Target;

  /** Made by `commands.start` and `commands.connect`. */
  constructor(target: Target, pid: number, runId: string | null) {
    this.#target = target;
    this.pid = pid;
    this.runId = runId;
  }

  /** Waits for the end and returns the result. With `check` throws `CommandFailed` or `Timeout` unless it exited with 0. */
  async wait(options: CallOptions & { readonly check?: boolean } = {}): Promise<CommandResult> {
    for await (const event of processEvents(this.#target, this.pid, options)) {
      if (event.type === "end") return options.check === true ? checkResult(event.result) : event.result;
    }
    throw new Error("unreachable: the events of a process end with its end or throw");
  }

  /** Its events from a cursor on; see {@link ProcessLogOptions}. */
  logs(options?: ProcessLogOptions): AsyncGenerator<ProcessEvent, void, undefined> {
    return processEvents(this.#target, this.pid, options);
  }

  /** Its events as far back as they are held. */
  [Symbol.asyncIterator](): AsyncGenerator<ProcessEvent, void, undefined> {
    return this.logs({ from: 0 });
  }

  /** Sends a signal by name or number. @param signal default `SIGTERM` */
  async kill(signal: string | number = "SIGTERM", options: KillOptions = {}): Promise<void> {
    if (signalNumber(String(signal)) === null) throw invalid("signal", signal, "a signal such as SIGTERM");
    const json: SignalRequestBody = { signal: String(signal), tree: options.tree ?? true };
    await this.#post("signal", json, options);
  }

  /** Tells the command's terminal its new size. Throws `GuestAgentError` when it has none. */
  async resize(rows: number, cols: number, options?: CallOptions): Promise<void>;
  async resize(size: TerminalSize, options?: CallOptions): Promise<void>;
  async resize(first: number | TerminalSize, second?: number | CallOptions, third?: CallOptions): Promise<void> {
    const size = typeof first === "number" ? { rows: first, cols: second as number } : first;
    const options = typeof first === "number" ? third : (second as CallOptions | undefined);
    await this.#post("resize", { rows: size.rows, cols: size.cols }, options ?? {});
  }

  /** Writes to its stdin; resolves when its pipe took everything. */
  async writeStdin(data: string | Uint8Array, options: CallOptions = {}): Promise<void> {
    await sendStdin(this.#target, this.pid, typeof data === "string" ? Buffer.from(data) : data, options);
  }

  /** Ends its stdin. */
  async closeStdin(options: CallOptions = {}): Promise<void> {
    await sendStdin(this.#target, this.pid, new Uint8Array(0), { ...options, eof: true });
  }

  async #post(verb: "signal" | "resize", json: object, options: CallOptions): Promise<void> {
    const path = `/processes/${this.pid}/${verb}`;
    await this.#target.client.json(
      callOf(this.#target, { method: "POST", path, operation: `commands.${verb}`, json }, options),
    );
  }
}
