import { createPublicKey, type KeyObject } from "node:crypto";
import { sha256 } from "../canonical/digest.js";

/** Bytes of a PEM file of a key. */
const maxPemBytes = 4096;

/** Names a public key: SHA-256 of its SPKI in DER. Takes the private key as well. */
export function keyId(key: KeyObject): string {
  const spki = (key.type === "private" ? createPublicKey(key) : key).export({ type: "spki", format: "der" });
  return sha256(spki);
}

/** The public key as its file holds it: SPKI in PEM. */
export function publicPem(key: KeyObject): string {
  return (key.type === "private" ? createPublicKey(key) : key).export({ type: "spki", format: "pem" }) as string;
}

/**
 * Reads a public Ed25519 key.
 * @throws {TypeError} it is none
 */
export function parsePublicKey(pem: string | Uint8Array): KeyObject {
  const text = typeof pem === "string" ? pem : Buffer.from(pem).toString("utf8");
  if (text.length > maxPemBytes || !text.includes("BEGIN PUBLIC KEY"))
    throw new TypeError("it is no public key in PEM");
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch {
    throw new TypeError("it is no public key in PEM");
  }
  if (key.asymmetricKeyType !== "ed25519") throw new TypeError("it is not an Ed25519 key");
  return key;
}
