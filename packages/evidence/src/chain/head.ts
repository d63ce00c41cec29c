import { sign, verify, type KeyObject } from "node:crypto";
import { canonicalJson, parseCanonical } from "../canonical/json.js";

/** The signed length and last hash of a chain: what shows that its tail was cut off. `head.json`. */
export interface Head {
  readonly v: 1;
  readonly tenant: string;
  /** Number of entries, over all segments. */
  readonly size: number;
  /** SHA-256 of the last line; 64 zeros for an empty chain. */
  readonly head: string;
  readonly time: string;
  readonly key_id: string;
  /** Base64 of Ed25519 over the canonical JSON of the other fields. */
  readonly sig: string;
}

/** Bytes of a head file; a real one has some 350. */
export const maxHeadBytes = 4096;

const headKeys = "head,key_id,sig,size,tenant,time,v";

export function signHead(facts: Omit<Head, "v" | "sig">, key: KeyObject): Head {
  const unsigned = { v: 1 as const, ...facts };
  return { ...unsigned, sig: sign(null, Buffer.from(canonicalJson(unsigned)), key).toString("base64") };
}

/** The file's content. One form only: whatever differs in a byte is refused. */
export function headText(head: Head): string {
  return `${canonicalJson(head)}\n`;
}

/**
 * Reads a head's form; says nothing about its signature.
 * @throws {TypeError | SyntaxError} it is no head
 */
export function parseHead(text: string): Head {
  if (!text.endsWith("\n")) throw new TypeError("the head does not end with its line feed");
  const head = parseCanonical(text.slice(0, -1)) as unknown as Head;
  if (typeof head !== "object" || head === null || Object.keys(head).sort().join() !== headKeys)
    throw new TypeError("it has other fields than a head");
  if (head.v !== 1 || !Number.isSafeInteger(head.size) || head.size < 0 || !/^[0-9a-f]{64}$/.test(head.head))
    throw new TypeError("its fields are not those of a head");
  if ([head.tenant, head.time, head.key_id, head.sig].some((field) => typeof field !== "string"))
    throw new TypeError("its fields are not those of a head");
  return head;
}

/** Whether the key signed this head; the signature's base64 must be the canonical one too. */
export function headIsSignedBy(head: Head, key: KeyObject): boolean {
  const { sig, ...unsigned } = head;
  const bytes = Buffer.from(sig, "base64");
  return (
    bytes.byteLength === 64 &&
    bytes.toString("base64") === sig &&
    verify(null, Buffer.from(canonicalJson(unsigned)), key, bytes)
  );
}
