import type { Readable } from "node:stream";
import { limits, type LogLine } from "@mvm/protocol";
import type { SandboxLayout } from "../store/layout.js";
import { lineSplitter } from "./line-splitter.js";
import { LogFile } from "./log-file.js";
import { Redactor } from "./redact.js";

export type LogSource = LogLine["source"];

/** The two logs of a sandbox: what the guest prints on its console, and what happened to it as the daemon saw it. */
export class SandboxLogs {
  readonly guest: LogFile;
  readonly supervisor: LogFile;
  /** Every line of both goes through it before it is written or followed. */
  readonly redactor = new Redactor();

  constructor(files: SandboxLayout) {
    this.guest = new LogFile(files.consoleLog);
    this.supervisor = new LogFile(files.supervisorLog);
  }

  /** Records an event: names of states, counts, ids. Never argv, environment or bytes of the guest. */
  event(event: string, fields: Readonly<Record<string, string | number | boolean | null>> = {}): void {
    let line: string;
    try {
      line = this.redactor.text(JSON.stringify({ event, ...fields }));
    } catch {
      line = JSON.stringify({ event: "event.withheld", reason: "redaction_failed" });
    }
    this.supervisor.append(line);
  }

  /**
   * Drains a machine's console into the log. A flood never holds the guest up: what is too much is dropped. Once something
   * could not be cleaned, nothing of this console is written any more.
   */
  drain(console: Readable): void {
    console.on("error", () => undefined);
    const take = lineSplitter(limits.logLineBytes / 4, (line) => this.guest.append(line));
    const redaction = this.redactor.stream();
    let unclean = false;
    const pass = (clean: () => Buffer): void => {
      if (unclean) return;
      try {
        take(clean());
      } catch {
        unclean = true;
        this.event("console.withheld", { reason: "redaction_failed" });
      }
    };
    console.on("data", (chunk: Buffer) => {
      if (!this.guest.isFlooded(chunk.byteLength)) pass(() => redaction.push(chunk));
    });
    console.once("close", () => pass(() => redaction.flush()));
  }

  /** Lines kept, in the order of their time. */
  read(sources: readonly LogSource[], since: number): LogLine[] {
    return sources
      .flatMap((source) => this[source].read().map((entry) => ({ ...entry, source })))
      .filter((line) => Date.parse(line.time) >= since)
      .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  }

  follow(sources: readonly LogSource[], listener: (line: LogLine) => void): () => void {
    const stops = sources.map((source) => this[source].follow((entry) => listener({ ...entry, source })));
    return () => stops.forEach((stop) => stop());
  }

  /** Bytes of both logs that came too fast or found no room. */
  get droppedBytes(): number {
    return this.guest.droppedBytes + this.supervisor.droppedBytes;
  }

  close(): void {
    this.guest.close();
    this.supervisor.close();
  }
}
