import { sign } from "node:crypto";
import { canonicalJson } from "../canonical/json.js";
import type { SigningKey } from "../keys/key-files.js";
import { preAuthEncoding } from "./pae.js";
import type { ReceiptStatement } from "./statement.js";

export const payloadType = "application/vnd.in-toto+json";

/** A receipt as it is stored and sent: a DSSE envelope. */
export interface Envelope {
  readonly payloadType: typeof payloadType;
  /** Base64 of the canonical JSON of the statement. */
  readonly payload: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** Bytes of a receipt's file; a real one has about 2 KiB. */
export const maxReceiptBytes = 64 * 1024;

export function signReceipt(statement: ReceiptStatement, key: SigningKey): Envelope {
  const payload = Buffer.from(canonicalJson(statement));
  const sig = sign(null, preAuthEncoding(payloadType, payload), key.key).toString("base64");
  return { payload: payload.toString("base64"), payloadType, signatures: [{ keyid: key.id, sig }] };
}

/** The content of a receipt's file: canonical JSON, without a line feed. */
export function envelopeText(envelope: Envelope): string {
  return canonicalJson(envelope);
}
