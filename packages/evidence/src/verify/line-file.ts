import { open, type FileHandle } from "node:fs/promises";
import { maxEntryBytes } from "../chain/entry.js";

const chunkBytes = 1024 * 1024;
const lineFeed = 0x0a;

/** Reads the lines of a file that may still grow, in constant memory. */
export class LineFile {
  private buffer = Buffer.alloc(0);
  private position = 0;
  private at = 0;

  private constructor(private readonly handle: FileHandle) {}

  /** Undefined when there is no such file. */
  static async open(path: string): Promise<LineFile | undefined> {
    try {
      return new LineFile(await open(path, "r"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * Calls back with each complete line, up to and with the one it says false to, or until the file
   * ends for now; goes on from there next time.
   * Stops before a line that is longer than an entry may be.
   */
  async each(take: (line: Buffer) => boolean): Promise<"stopped" | "end" | "too_long"> {
    for (;;) {
      const end = this.buffer.indexOf(lineFeed, this.at);
      if (end >= 0) {
        const line = this.buffer.subarray(this.at, end);
        this.at = end + 1;
        if (!take(line)) return "stopped";
      } else if (this.buffer.byteLength - this.at > maxEntryBytes) return "too_long";
      else if (!(await this.more())) return "end";
    }
  }

  /** Bytes that are there and were not taken. */
  async left(): Promise<number> {
    const { size } = await this.handle.stat();
    return Math.max(0, size - (this.position - (this.buffer.byteLength - this.at)));
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private async more(): Promise<boolean> {
    const rest = this.buffer.subarray(this.at);
    const next = Buffer.allocUnsafe(rest.byteLength + chunkBytes);
    const { bytesRead } = await this.handle.read(next, rest.byteLength, chunkBytes, this.position);
    if (bytesRead === 0) return false;
    rest.copy(next);
    this.buffer = next.subarray(0, rest.byteLength + bytesRead);
    this.position += bytesRead;
    this.at = 0;
    return true;
  }
}
