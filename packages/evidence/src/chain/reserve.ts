import { statSync } from "node:fs";
import { join } from "node:path";
import { reserveName } from "../layout.js";
import type { Disk } from "./disk.js";

/** Enough for the ends of more sandboxes than a host runs. Bytes. */
const size = 256 * 1024;
/** What one entry and its head take at most, on any block size that is common. Bytes. */
const step = 16 * 1024;

/**
 * Room for the entries that must be possible on a full disk: those of what ends, and of what gives room back. It is given
 * up in small steps, since whoever else waits for room takes what the entry does not.
 */
export class Reserve {
  private readonly path: string;
  private held: number;

  constructor(
    directory: string,
    private readonly disk: Disk,
  ) {
    this.path = join(directory, reserveName);
    this.held = this.measure();
  }

  /** Gives some of it up. False when nothing is left. */
  release(): boolean {
    if (this.held === 0) return false;
    this.resize(Math.max(0, this.held - step));
    return true;
  }

  /** Takes back what was given up, as far as there is room. */
  refill(): void {
    if (this.held < size) this.resize(size);
  }

  /** Never throws: a history without a reserve is a history. */
  private resize(bytes: number): void {
    try {
      this.disk.hold(this.path, bytes);
      this.held = bytes;
    } catch {
      // What could not be given up does not count, or releasing would never come to an end.
      this.held = bytes < this.held ? bytes : this.measure();
    }
  }

  private measure(): number {
    return Math.min(size, statSync(this.path, { throwIfNoEntry: false })?.size ?? 0);
  }
}
