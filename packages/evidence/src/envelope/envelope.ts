import { sign } from "node:crypto";
import { canonicalJson } from "../canonical/json.js";
import type { SigningKey } from "../keys/key-files.js";
import { preAuthEncoding } from "./pae.js";

export const payloadType = "application/vnd.in-toto+json";
export const statementType = "https://in-toto.io/Statement/v1";

/** A signed statement as it is stored and sent: a DSSE envelope. */
export interface Envelope {
  readonly payloadType: typeof payloadType;
  /** Base64 of the canonical JSON of the statement. */
  readonly payload: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** An in-toto Statement v1, whatever it is about. */
export interface Statement {
  readonly _type: typeof statementType;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: string;
  readonly predicate: object;
}

export function signStatement(statement: Statement, key: SigningKey): Envelope {
  const payload = Buffer.from(canonicalJson(statement));
  const sig = sign(null, preAuthEncoding(payloadType, payload), key.key).toString("base64");
  return { payload: payload.toString("base64"), payloadType, signatures: [{ keyid: key.id, sig }] };
}

/** The content of an envelope's file: canonical JSON, without a line feed. */
export function envelopeText(envelope: Envelope): string {
  return canonicalJson(envelope);
}
