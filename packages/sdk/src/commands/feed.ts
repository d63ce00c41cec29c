import { isSandboxError } from "@mvm/protocol";
import type { CallOptions, Target } from "../sandbox/target.js";
import type { Stdin } from "./options.js";
import { readableOf, sendStdin } from "./stdin.js";

/** Feeds a running command from the caller's source, beside reading its output. */
export class StdinFeed {
  readonly #target: Target;
  readonly #source: Stdin | undefined;
  readonly #abandon: () => void;
  readonly #stop = new AbortController();
  #failure: { readonly error: unknown } | null = null;

  /** `abandon` ends the command; called when the source itself fails. */
  constructor(target: Target, source: Stdin | undefined, abandon: () => void) {
    this.#target = target;
    this.#source = source;
    this.#abandon = abandon;
  }

  /** What the caller's source threw. */
  get failure(): { readonly error: unknown } | null {
    return this.#failure;
  }

  /** Begins, once the command has a pid. */
  start(pid: number, options: CallOptions): void {
    const source = this.#source;
    if (source === undefined) return;
    const body =
      typeof source === "string"
        ? Buffer.from(source)
        : source instanceof Uint8Array
          ? source
          : () => readableOf(source);
    const { requestTimeoutMs } = options;
    sendStdin(this.#target, pid, body, { requestTimeoutMs, signal: this.#stop.signal, eof: true }).catch(
      (error: unknown) => {
        // A command need not read to the end; that it stopped shows in its result, not here.
        if (this.#stop.signal.aborted || isSandboxError(error)) return;
        this.#failure = { error };
        this.#abandon();
      },
    );
  }

  /** Ends the feeding: the command has ended. */
  stop(): void {
    this.#stop.abort();
  }
}
