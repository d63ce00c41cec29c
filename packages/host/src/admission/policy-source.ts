/** A text of policy and where it comes from. */
export interface PolicySource {
  /** Path as messages name it. */
  readonly path: string;
  readonly text: string;
}

/** What is wrong with a file of policy, and where. Lines and columns count from 1. */
export interface PolicyProblem {
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly problem: string;
}

/** Line and column of a byte of a UTF-8 text, counted from 1; columns in characters. */
export function placeOf(text: string, byte: number): { line: number; column: number } {
  const before = Buffer.from(text, "utf8").subarray(0, byte).toString("utf8");
  const line = before.split("\n").length;
  return { line, column: before.length - (before.lastIndexOf("\n") + 1) + 1 };
}

/** One policy of a file: its text, and the byte at which that begins. */
export interface PolicyText {
  readonly text: string;
  readonly byte: number;
}

/**
 * Cuts a Cedar file into its policies: each ends with a semicolon that stands in no string and no comment. What follows the last
 * one comes out too, unless it is blank. Whether a piece is a policy is Cedar's to say: nothing is dropped.
 */
export function splitPolicies(text: string): PolicyText[] {
  const token = /"(?:[^"\\]|\\[\s\S])*"|\/\/[^\n]*|;/g;
  const pieces: PolicyText[] = [];
  let from = 0;
  const cut = (to: number): void => {
    const piece = text.slice(from, to);
    const lead = /^(?:\s|\/\/[^\n]*(?:\n|$))*/.exec(piece)?.[0].length ?? 0;
    if (lead < piece.length) {
      pieces.push({ text: piece.slice(lead), byte: Buffer.byteLength(text.slice(0, from + lead)) });
    }
    from = to;
  };
  for (const match of text.matchAll(token)) if (match[0] === ";") cut(match.index + 1);
  cut(text.length);
  return pieces;
}
