import { closeSync, fstatSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { limits } from "@mvm/protocol";

export interface LogEntry {
  /** RFC 3339. */
  readonly time: string;
  readonly line: string;
}

export interface LogFileOptions {
  /** Size at which the file becomes `<path>.1` and a new one begins; at most twice this is kept. Bytes. */
  readonly maxBytes?: number;
  /** Most that is written in one second; what comes faster is dropped and counted. Bytes. */
  readonly bytesPerSecond?: number;
}

/** One log of a sandbox: lines with their time, in two bounded files. A flood or a full disk loses lines, nothing else. */
export class LogFile {
  private readonly maxBytes: number;
  private readonly bytesPerSecond: number;
  private fd: number | undefined;
  private size = 0;
  private second = 0;
  private budget = 0;
  private dropped = 0;
  private closed = false;
  private readonly listeners = new Set<(entry: LogEntry) => void>();

  constructor(
    private readonly path: string,
    options: LogFileOptions = {},
  ) {
    this.maxBytes = options.maxBytes ?? 1024 * 1024;
    this.bytesPerSecond = options.bytesPerSecond ?? 512 * 1024;
  }

  /** Bytes that came too fast or found no room. */
  get droppedBytes(): number {
    return this.dropped;
  }

  /**
   * Whether so much has been written in this second that nothing more will be. Its owner can then throw input away
   * unread, which is all a flood deserves, and say so here.
   */
  isFlooded(bytes: number, now = Date.now()): boolean {
    if (Math.floor(now / 1000) !== this.second || this.budget > 0) return false;
    this.dropped += bytes;
    return true;
  }

  append(line: string, now = new Date()): void {
    const entry = { time: now.toISOString(), line: line.slice(0, limits.logLineBytes) };
    const bytes = Buffer.from(`${entry.time} ${entry.line}\n`);
    if (this.closed || !this.within(bytes.byteLength, now)) {
      this.dropped += bytes.byteLength;
      return;
    }
    try {
      this.fd ??= this.open();
      this.size += writeSync(this.fd, bytes);
      if (this.size > this.maxBytes) this.rotate();
    } catch {
      this.dropped += bytes.byteLength;
    }
    for (const listener of this.listeners) listener(entry);
  }

  /** Everything kept, oldest first. */
  read(): LogEntry[] {
    return [...parse(`${this.path}.1`), ...parse(this.path)];
  }

  /** Calls back for every new line until the returned function is called. */
  follow(listener: (entry: LogEntry) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close(): void {
    this.closed = true;
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private open(): number {
    const fd = openSync(this.path, "a", 0o600);
    this.size = fstatSync(fd).size;
    return fd;
  }

  private within(bytes: number, now: Date): boolean {
    const second = Math.floor(now.getTime() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.budget = this.bytesPerSecond;
    }
    this.budget -= bytes;
    return this.budget >= 0;
  }

  private rotate(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
    this.size = 0;
    renameSync(this.path, `${this.path}.1`);
  }
}

function parse(path: string): LogEntry[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const space = line.indexOf(" ");
      return { time: line.slice(0, space), line: line.slice(space + 1) };
    });
}
