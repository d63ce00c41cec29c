import type { BigIntStats } from "node:fs";

/** What a share is made of. */
export interface SharedDirectory {
  /** The directory, open without the right to read it; whoever serves it owns the handle. */
  readonly handle: number;
  readonly stats: BigIntStats;
  readonly readOnly: boolean;
}
