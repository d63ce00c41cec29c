import { join } from "node:path";

/** Where evidence lies in a state root. Whoever can read these files can verify them. */
export interface EvidenceLayout {
  readonly audit: string;
  /** Held by the one process that writes any chain of this root. */
  readonly lock: string;
  readonly keys: string;
}

export function evidenceLayout(home: string): EvidenceLayout {
  const audit = join(home, "audit");
  return { audit, lock: join(audit, ".lock"), keys: join(home, "keys") };
}

/** The file that is being appended to. */
export const logName = "log.jsonl";
export const headName = "head.json";
/** Holds room for the last entries of a full disk; its content means nothing. */
export const reserveName = "reserve";

const segmentPattern = /^log\.(\d{6})\.jsonl$/;

/** Name of a full segment; numbered from 1. */
export function segmentName(number: number): string {
  return `log.${String(number).padStart(6, "0")}.jsonl`;
}

/** The number of a full segment, or undefined for any other file. */
export function segmentNumber(name: string): number | undefined {
  const digits = segmentPattern.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** What a crash left unfinished at the end of a log is kept beside it under this prefix; nothing reads it. */
export const tornPrefix = "torn-";
