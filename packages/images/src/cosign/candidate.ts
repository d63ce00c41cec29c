import { verify } from "node:crypto";
import type { ImageSignature, ImageTrust, TrustedKey } from "./trust.js";

/** Who a signature is by. */
export type Signer = Pick<ImageSignature, "key" | "identity" | "issuer">;

/** Something that lies where a signature should. */
export interface Candidate {
  /** Where it lies, as messages and the record name it. */
  readonly found: string;
  /** Says who of those who are trusted has signed this digest with it, or why it does not count. */
  judge(digest: string, trust: ImageTrust): Signer | string;
}

/** The first of the keys that has signed this. Signatures are ASN.1 over the SHA-256. */
export function signingKey(keys: readonly TrustedKey[], content: Uint8Array, signature: Buffer): Signer | undefined {
  const key = keys.find(({ pem }) => verify("sha256", content, { key: pem, dsaEncoding: "der" }, signature));
  return key && { key: key.id, identity: null, issuer: null };
}

/** Base64 in its one spelling; undefined: it is none. */
export function decoded(text: unknown): Buffer | undefined {
  if (typeof text !== "string" || text === "") return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

/** An object, whatever the bytes are. */
export function objectOf(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** That nobody who is trusted has signed; `reasons`, why each identity does not count. */
export function nobody(reasons: readonly string[]): string {
  return `it is by none of those who are trusted${reasons.length === 0 ? "" : `: ${reasons.join("; ")}`}`;
}
