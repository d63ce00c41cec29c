/** Why a chain does not verify. */
export type ChainProblem =
  "malformed" | "prev_mismatch" | "head_signature" | "truncated" | "missing_log" | "dangling_begin";

export interface ChainValid {
  readonly ok: true;
  readonly tenant: string;
  readonly entries: number;
  /** SHA-256 of the last line; null for a history without entries. */
  readonly head: string | null;
  /** Nothing was ever recorded: neither proof nor disproof of anything. */
  readonly empty: boolean;
  /** Operations that are under way: begun by a writer that lives. */
  readonly open: number;
  /** Entries whose time is before that of their predecessor: the clock of the host was set back. */
  readonly clock_steps: number;
  readonly key_id: string | null;
}

export interface ChainInvalid {
  readonly ok: false;
  readonly tenant: string;
  /** Entries that are known to be good: all before the first bad line. */
  readonly entries: number;
  readonly reason: ChainProblem;
  readonly detail: string;
  /** The first bad line, from 1 in its file; null when no line is to blame. */
  readonly file: string | null;
  readonly line: number | null;
  readonly seq: number | null;
}

export type ChainVerdict = ChainValid | ChainInvalid;
