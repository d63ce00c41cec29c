import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { type Static, Type } from "@sinclair/typebox";
import { canonicalJson } from "@mvm/evidence";

const base64 = Type.String({ pattern: "^[A-Za-z0-9+/]*={0,2}$", maxLength: 128 * 1024 });
const nullableText = Type.Union([Type.String(), Type.Null()]);

/** A stored secret: everything but its value in the clear, and none of it changeable without the key. */
export const SealedSecretSchema = Type.Object(
  {
    v: Type.Literal(1),
    name: Type.String(),
    /** Hosts the value may be sent to. */
    hosts: Type.Array(Type.String()),
    /** The only header it may stand in; null: any. */
    header: nullableText,
    created_at: Type.String(),
    updated_at: Type.String(),
    key_id: Type.String(),
    nonce: base64,
    ciphertext: base64,
    tag: base64,
  },
  { additionalProperties: false },
);
export type SealedSecret = Static<typeof SealedSecretSchema>;
export type SecretFacts = Omit<SealedSecret, "key_id" | "nonce" | "ciphertext" | "tag">;

export interface SecretKey {
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Buffer;
}

/** Encrypts a value with AES-256-GCM under a fresh nonce; the facts beside it are authenticated with it. */
export function sealSecret(facts: SecretFacts, value: string, key: SecretKey): SealedSecret {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key.bytes, nonce);
  cipher.setAAD(bound(facts, key.id));
  const ciphertext = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
  const encoded = { nonce: nonce.toString("base64"), ciphertext: ciphertext.toString("base64") };
  return { ...facts, key_id: key.id, ...encoded, tag: cipher.getAuthTag().toString("base64") };
}

/** The value. Throws when the key is another one, or a byte of the record has changed. */
export function openSecret({ key_id, nonce, ciphertext, tag, ...facts }: SealedSecret, key: SecretKey): string {
  const decipher = createDecipheriv("aes-256-gcm", key.bytes, Buffer.from(nonce, "base64"), { authTagLength: 16 });
  decipher.setAAD(bound(facts, key_id));
  decipher.setAuthTag(Buffer.from(tag, "base64"));
  return Buffer.concat([decipher.update(Buffer.from(ciphertext, "base64")), decipher.final()]).toString("utf8");
}

function bound(facts: SecretFacts, keyId: string): Buffer {
  return Buffer.from(canonicalJson({ ...facts, key_id: keyId }));
}
