import { verify, type KeyObject } from "node:crypto";
import { canonicalJson, parseCanonical } from "../canonical/json.js";
import { keyId } from "../keys/key-id.js";
import { payloadType, statementType, type Envelope, type Statement } from "./envelope.js";
import { preAuthEncoding } from "./pae.js";

/** Why an envelope is not what it should be. */
export type EnvelopeProblem = "too_large" | "malformed" | "unknown_key" | "bad_signature" | "no_statement";

export type OpenedEnvelope =
  | { readonly ok: true; readonly key_id: string; readonly statement: Statement }
  | { readonly ok: false; readonly reason: EnvelopeProblem; readonly detail: string };

/**
 * Opens an envelope that one of the keys has signed which the caller trusts already; a key that it brought along would prove
 * nothing. There is one form of the file, so a byte that differs is a difference that shows. What it states is for the caller
 * to look at. Never throws for what the bytes hold.
 * @param maxBytes larger is refused before it is read as anything
 */
export function openEnvelope(bytes: Uint8Array, trusted: readonly KeyObject[], maxBytes: number): OpenedEnvelope {
  if (bytes.byteLength > maxBytes) return refuse("too_large", `it has more than ${maxBytes} bytes`);
  let envelope: Envelope;
  try {
    envelope = parseEnvelope(bytes);
  } catch (error) {
    return refuse("malformed", (error as Error).message);
  }
  const [signature] = envelope.signatures;
  const key = trusted.find((each) => keyId(each) === signature?.keyid);
  if (signature === undefined || key === undefined)
    return refuse("unknown_key", "it is signed by a key that is not the trusted one");
  const payload = Buffer.from(envelope.payload, "base64");
  const good = verify(null, preAuthEncoding(payloadType, payload), key, Buffer.from(signature.sig, "base64"));
  if (!good) return refuse("bad_signature", "its signature does not match its content");
  try {
    const statement = parseCanonical(payload.toString("utf8")) as unknown as Statement;
    if (statement._type === statementType) return { ok: true, key_id: signature.keyid, statement };
  } catch (error) {
    return refuse("no_statement", (error as Error).message);
  }
  return refuse("no_statement", "it is signed, but holds no in-toto statement");
}

/**
 * Besides the form it is written in, an envelope may have passed through a JSON library: two spaces of indentation, or
 * Python's separators. Nothing else.
 */
function parseEnvelope(bytes: Uint8Array): Envelope {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const value = JSON.parse(text) as Envelope;
  if (!isEnvelope(value)) throw new TypeError("it is not a DSSE envelope of an in-toto statement with one signature");
  const canonical = canonicalJson(value);
  if (![canonical, JSON.stringify(value, null, 2), pythonForm(canonical)].includes(text) || !isSortedLike(value))
    throw new TypeError("it was written by something else than mvm");
  return value;
}

function isSortedLike(value: Envelope): boolean {
  return JSON.stringify(value) === canonicalJson(value);
}

/** Exact, because no string of an envelope holds a quotation mark. */
function pythonForm(canonical: string): string {
  return canonical.replaceAll('","', '", "').replaceAll('":', '": ');
}

function isEnvelope(value: unknown): value is Envelope {
  if (!hasKeys(value, "payload,payloadType,signatures")) return false;
  const { payload, payloadType: type, signatures } = value as unknown as Envelope;
  if (type !== payloadType || !isBase64(payload) || !Array.isArray(signatures) || signatures.length !== 1) return false;
  const signature = signatures[0] as unknown;
  if (!hasKeys(signature, "keyid,sig")) return false;
  const { keyid, sig } = signature as { keyid: unknown; sig: unknown };
  return (
    typeof keyid === "string" &&
    /^[0-9a-f]{64}$/.test(keyid) &&
    isBase64(sig) &&
    Buffer.from(sig, "base64").byteLength === 64
  );
}

function hasKeys(value: unknown, keys: string): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.keys(value).sort().join() === keys;
}

/** One text for some bytes: no white space, no missing padding, no loose bits. */
function isBase64(text: unknown): text is string {
  return typeof text === "string" && Buffer.from(text, "base64").toString("base64") === text;
}

function refuse(reason: EnvelopeProblem, detail: string): OpenedEnvelope {
  return { ok: false, reason, detail };
}
