import { createError } from "@mvm/protocol/errors";
import { bytes } from "../render/units.js";

/** The most one copy may move, whatever the other end claims. */
export interface CopyLimits {
  readonly bytes: number;
  readonly entries: number;
  /** Directories within directories. Each costs an open descriptor. */
  readonly depth: number;
}

/** Enough for large trees; each can be raised but the depth. */
export const defaultCopyLimits: CopyLimits = { bytes: 8 * 1024 ** 3, entries: 100_000, depth: 128 };

/** Counts what a copy has moved and ends it at its limits. */
export class CopyBudget {
  #bytes = 0;
  #entries = 0;

  constructor(readonly limits: CopyLimits) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** Counts one entry at a depth. */
  entry(depth: number): void {
    if (++this.#entries > this.limits.entries) {
      throw exceeded(
        "entries",
        `more than ${this.limits.entries} entries`,
        "Raise --max-entries if the tree is really that large",
      );
    }
    if (depth > this.limits.depth) {
      throw exceeded(
        "depth",
        `directories nested deeper than ${this.limits.depth}`,
        "Copy a directory further down, or pack the tree into one file with `tar` and copy that",
      );
    }
  }

  /** Counts bytes of content. */
  content(count: number): void {
    this.#bytes += count;
    if (this.#bytes > this.limits.bytes) {
      throw exceeded(
        "bytes",
        `more than ${bytes(this.limits.bytes)}`,
        "Raise --max-size if the content is really that large",
      );
    }
  }
}

function exceeded(limit: string, what: string, hint?: string): Error {
  return createError("POLICY_LIMIT", {
    message: `Cannot copy: there are ${what}`,
    boundary: "filesystem",
    rule: `copy.limit.${limit}`,
    outcome: "not_started",
    ...(hint === undefined ? {} : { hint }),
  });
}
