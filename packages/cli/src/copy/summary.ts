/** What a copy did. */
export interface CopySummary {
  files: number;
  directories: number;
  links: number;
  /** What was left out, and why. */
  readonly skipped: { readonly path: string; readonly why: string }[];
}

const maxSkipped = 1000;

/** An empty summary. */
export function newSummary(): CopySummary {
  return { files: 0, directories: 0, links: 0, skipped: [] };
}

/** Notes an entry that is not copied; the list is bounded. */
export function skip(summary: CopySummary, path: string, why: string): void {
  if (summary.skipped.length < maxSkipped) summary.skipped.push({ path, why });
}
