import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { closeSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { canonicalJson, type Json } from "../canonical/json.js";
import { createFile } from "../chain/disk.js";
import { takeLock } from "../chain/lock.js";
import { evidenceLayout } from "../layout.js";
import { keepOldKey, makePrivate, newKeyPem, oldKeyPath, openSigningKey, type KeyPurpose } from "./key-files.js";
import { keyId, parsePublicKey, publicPem } from "./key-id.js";

/** The event by which a chain passes from one key to the next. */
export const keyRotatedEvent = "key.rotated";

/** The old key's word for the new one: whoever pinned the old key can follow. Data of a `key.rotated` entry. */
export interface Endorsement {
  readonly purpose: string;
  readonly from: string;
  readonly to: string;
  /** SPKI of the new key in PEM. */
  readonly key: string;
  /** Base64 of Ed25519 by the old key over the canonical JSON of the other fields. */
  readonly sig: string;
}

export function endorse(oldKey: KeyObject, newKey: KeyObject, purpose: KeyPurpose): Endorsement {
  const unsigned = { purpose, from: keyId(oldKey), to: keyId(newKey), key: publicPem(newKey) };
  return { ...unsigned, sig: sign(null, Buffer.from(canonicalJson(unsigned)), oldKey).toString("base64") };
}

/** The new key that the trusted one vouches for, or undefined. */
export function endorsedKey(data: Readonly<Record<string, Json>>, trusted: KeyObject): KeyObject | undefined {
  const { sig, ...unsigned } = data;
  if (typeof sig !== "string" || unsigned["from"] !== keyId(trusted) || typeof unsigned["key"] !== "string")
    return undefined;
  try {
    if (!verify(null, Buffer.from(canonicalJson(unsigned)), trusted, Buffer.from(sig, "base64"))) return undefined;
    const key = parsePublicKey(unsigned["key"]);
    return keyId(key) === unsigned["to"] ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Ids of a key that was replaced and of the one in its place. */
export interface Rotated {
  readonly from: string;
  readonly to: string;
}

/**
 * Replaces a signing key. The old public key is kept in `keys/old`, with the old key's endorsement of the new one; every
 * chain records the change when it is opened next.
 * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: a daemon is using the keys
 */
export function rotateKey(home: string, purpose: KeyPurpose): Rotated {
  const { audit, lock, keys } = evidenceLayout(home);
  mkdirSync(audit, { recursive: true, mode: 0o700 });
  const held = takeLock(lock, 0);
  try {
    return replaceKey(keys, purpose, newKeyPem());
  } finally {
    closeSync(held);
  }
}

/** The caller holds the lock of the state root's evidence. */
export function replaceKey(keys: string, purpose: KeyPurpose, pem: string): Rotated {
  const old = openSigningKey(keys, purpose);
  keepOldKey(keys, purpose, createPublicKey(old.key));
  const path = endorsementPath(keys, purpose, old.id);
  // A rotation that died before the new key was in place left its word for a key that nobody has.
  rmSync(path, { force: true });
  createFile(path, canonicalJson(endorse(old.key, createPrivateKey(pem), purpose)), 0o644);
  makePrivate(join(keys, `${purpose}.key`), () => pem);
  return { from: old.id, to: openSigningKey(keys, purpose).id };
}

/** The kept endorsement of a key's successor; undefined when the key was replaced by other means. */
export function keptEndorsement(keys: string, purpose: KeyPurpose, from: string): Endorsement | undefined {
  try {
    return JSON.parse(readFileSync(endorsementPath(keys, purpose, from), "utf8")) as Endorsement;
  } catch {
    return undefined;
  }
}

function endorsementPath(keys: string, purpose: KeyPurpose, from: string): string {
  return join(dirname(oldKeyPath(keys, purpose, from)), `${purpose}-${from}.next.json`);
}
