import type { Sink } from "../output/sink.js";
import { printable } from "./escape.js";
import { bytes } from "./units.js";
import { fit } from "./width.js";

/** A progress event of the daemon. */
export interface ProgressEvent {
  readonly phase: string;
  readonly detail?: string | undefined;
  readonly done?: number | undefined;
  readonly total?: number | undefined;
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const plainFrames = ["|", "/", "-", "\\"];
const intervalMs = 100;
/** Work that is over before this shows nothing: a machine from the pool needs no spinner. */
const delayMs = 250;

/** Shows long work on a terminal: one line with the running phase, a line that stays for each finished one. */
export class Progress {
  readonly #frames = process.env["TERM"] === "dumb" || process.env["NO_COLOR"] ? plainFrames : frames;
  readonly #started = Date.now();
  #timer: NodeJS.Timeout | undefined;
  #current: (ProgressEvent & { readonly since: number }) | undefined;
  #frame = 0;
  #drawn = false;

  constructor(private readonly sink: Sink) {}

  /** A new phase, or news of the running one. */
  update(event: ProgressEvent): void {
    const previous = this.#current;
    const since = previous?.phase === event.phase ? previous.since : Date.now();
    if (previous !== undefined && previous.phase !== event.phase) this.#finish(previous);
    this.#current = { ...event, since };
    this.#timer ??= setInterval(() => this.#draw(), intervalMs).unref();
  }

  /** Takes the running line away; call it before anything else is written. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#current !== undefined) this.#finish(this.#current);
    this.#current = undefined;
    this.#clear();
  }

  #finish(phase: ProgressEvent & { readonly since: number }): void {
    if (!this.#drawn) return;
    this.#clear();
    this.#write(`  ${this.#line(phase, " ")}\n`);
  }

  #draw(): void {
    if (this.#current === undefined || Date.now() - this.#started < delayMs) return;
    this.#clear();
    this.#drawn = true;
    this.#frame = (this.#frame + 1) % this.#frames.length;
    this.#write(this.#line(this.#current, `${this.#frames[this.#frame]} `));
  }

  #clear(): void {
    if (this.#drawn) this.#write(process.env["TERM"] === "dumb" ? "\r" : "\r\u001b[K");
    this.#drawn = false;
  }

  /** Progress that cannot be shown is no reason to fail. */
  #write(text: string): void {
    this.sink.write(text).catch(() => undefined);
  }

  #line(phase: ProgressEvent & { readonly since: number }, mark: string): string {
    const seconds = ((Date.now() - phase.since) / 1000).toFixed(1);
    const share = phase.total ? ` ${bytes(phase.done ?? 0)}/${bytes(phase.total)}` : "";
    const detail = phase.detail ? ` ${printable(phase.detail)}` : "";
    return fit(`${mark}${printable(phase.phase)} ${seconds}s${share}${detail}`, (this.sink.columns ?? 80) - 1);
  }
}
