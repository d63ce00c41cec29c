import { statementType } from "../envelope/envelope.js";

/** Type of a receipt's predicate. */
export const receiptType = "https://mvm.dev/receipt/v1";

/** How a run ended, as far as the host knows. */
export type RunOutcome = "completed" | "timed_out" | "denied" | "failed" | "lost";

/** What a receipt says about one run. Ids, hashes, counts and names; no argument, value, path or output. */
export interface ReceiptPredicate {
  readonly schema_version: 1;
  readonly run_id: string;
  /** The entry of the audit chain that announced the run, or denied it. */
  readonly audit_id: string;
  readonly audit_seq: number;
  readonly tenant: string;
  readonly started_at: string;
  readonly finished_at: string;
  readonly plan_sha256: string | null;
  readonly policy: { readonly profile: string | null; readonly sha256: string | null };
  readonly image: { readonly name: string | null; readonly digest: string | null };
  readonly isolation: { readonly backend: string | null; readonly accel: string | null; readonly isolation: string };
  /** What the host saw itself. */
  readonly observed: {
    readonly outcome: RunOutcome;
    readonly duration_ms: number;
    readonly timed_out: boolean;
    readonly stdout_bytes: number;
    readonly stderr_bytes: number;
    readonly stdout_truncated: boolean;
    readonly stderr_truncated: boolean;
  };
  /** What only the guest can know, and could lie about. Null when it said nothing. */
  readonly claimed_by_guest: {
    readonly exit_code: number | null;
    readonly signal: number | string | null;
    readonly oom_killed: boolean | null;
  };
  readonly invocation: {
    readonly argv_len: number;
    /** Keyed by the host, so that nobody can guess arguments against it. */
    readonly argv_hmac_sha256: string;
    readonly env_count: number;
    readonly mounts: number;
  };
}

/** An in-toto Statement v1 about one run. The subjects are its output, in full, also where the result is cut. */
export interface ReceiptStatement {
  readonly _type: typeof statementType;
  readonly subject: readonly { readonly name: "stdout" | "stderr"; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: typeof receiptType;
  readonly predicate: ReceiptPredicate;
}

export function receiptStatement(
  output: { readonly stdoutSha256: string; readonly stderrSha256: string },
  predicate: ReceiptPredicate,
): ReceiptStatement {
  return {
    _type: statementType,
    subject: [
      { name: "stdout", digest: { sha256: output.stdoutSha256 } },
      { name: "stderr", digest: { sha256: output.stderrSha256 } },
    ],
    predicateType: receiptType,
    predicate,
  };
}
