/** Why a command ends before its work is done, and the exit code a shell expects for it. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
  constructor(
    /** A signal's name, or `stdout closed`. */
    readonly reason: string,
    readonly exitCode: number,
  ) {
    super(`Cancelled: ${reason}`);
  }
}

const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const stdoutClosed = 141;

/** How long an interrupted command may clean up before the process ends anyway. */
const graceMs = 2000;

/**
 * Turns signals and a closed stdout into one abort signal. The daemon ends what a closed connection leaves behind, so
 * a command only has to stop reading. A second signal ends the process at once.
 */
export class Cancellation {
  readonly #controller = new AbortController();
  readonly #promise: Promise<never>;

  constructor() {
    this.#promise = new Promise((_, reject) => {
      this.signal.addEventListener("abort", () => reject(this.signal.reason as Error), { once: true });
    });
    this.#promise.catch(() => undefined);
  }

  /** Aborted with a {@link Cancelled} as its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Listens for the signals a terminal and a supervisor send. */
  listen(): void {
    for (const [name, code] of Object.entries(exitCodes)) {
      process.on(name, () => {
        if (this.signal.aborted) process.exit(code);
        this.#cancel(new Cancelled(name, code));
      });
    }
  }

  /** The reader of stdout is gone: as if SIGPIPE had ended the process. */
  stdoutClosed(): void {
    this.#cancel(new Cancelled("stdout closed", stdoutClosed));
  }

  /** The promise's value, or a rejection as soon as the command is cancelled. */
  race<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#promise]);
  }

  /** The command's value; when it is cancelled, the command gets time to clean up before the reason is thrown. */
  async supervise<T>(running: Promise<T>): Promise<T> {
    const value = await running.catch((thrown: unknown) => {
      this.signal.throwIfAborted();
      throw thrown;
    });
    this.signal.throwIfAborted();
    return value;
  }

  #cancel(reason: Cancelled): void {
    if (this.signal.aborted) return;
    this.#controller.abort(reason);
    setTimeout(() => process.exit(reason.exitCode), graceMs);
  }
}
