import type { KeyObject } from "node:crypto";
import type { Entry } from "../chain/entry.js";
import { type EnvelopeProblem, openEnvelope } from "../envelope/open.js";
import { receiptType, type ReceiptStatement } from "./statement.js";

/** Bytes of a receipt's file; a real one has about 2 KiB. */
export const maxReceiptBytes = 64 * 1024;

/** Why a receipt does not verify. */
export type ReceiptProblem = Exclude<EnvelopeProblem, "no_statement"> | "not_a_receipt";

export type ReceiptVerdict =
  | { readonly ok: true; readonly key_id: string; readonly statement: ReceiptStatement }
  | { readonly ok: false; readonly reason: ReceiptProblem; readonly detail: string };

/** Verifies a receipt's bytes against keys that the caller already trusts. Never throws for what the bytes hold. */
export function verifyReceipt(bytes: Uint8Array, trusted: readonly KeyObject[]): ReceiptVerdict {
  const opened = openEnvelope(bytes, trusted, maxReceiptBytes);
  if (!opened.ok) {
    const { reason, detail } = opened;
    return { ok: false, reason: reason === "no_statement" ? "not_a_receipt" : reason, detail };
  }
  if (opened.statement.predicateType !== receiptType)
    return { ok: false, reason: "not_a_receipt", detail: "it is signed, but states something else than a receipt" };
  return { ...opened, statement: opened.statement as unknown as ReceiptStatement };
}

/** Whether an entry of the audit chain is the one the receipt names. */
export function receiptMatchesEntry({ predicate }: ReceiptStatement, entry: Entry): boolean {
  return (
    entry.id === predicate.audit_id &&
    entry.seq === predicate.audit_seq &&
    entry.tenant === predicate.tenant &&
    entry.run_id === predicate.run_id
  );
}
