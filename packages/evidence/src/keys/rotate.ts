import { createPrivateKey } from "node:crypto";
import { AuditLog } from "../chain/audit-log.js";
import type { Actor } from "../chain/entry.js";
import { defaultTenant } from "../chain/tenant.js";
import { evidenceLayout } from "../layout.js";
import { newKeyPem, openSigningKey, type KeyPurpose } from "./key-files.js";
import { endorse, keyRotatedEvent, replaceKey, rotateKey, type Rotated } from "./rotation.js";

/**
 * Replaces a signing key and records it: each chain gets a `key.rotated` entry with the old key's word for the new one.
 * Whoever pinned an old audit key follows it; an old receipt key goes on verifying what it signed.
 * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: a daemon is using the keys, or the change cannot be recorded
 */
export async function rotateAndRecord(home: string, purpose: KeyPurpose, actor: Actor): Promise<Rotated> {
  if (purpose === "audit") {
    const rotated = rotateKey(home, purpose);
    // Opening writes the link into every chain. Somebody who opened them first has written it.
    await AuditLog.open(home).then(
      (log) => log.close(),
      () => undefined,
    );
    return rotated;
  }
  const log = await AuditLog.open(home);
  try {
    const { keys } = evidenceLayout(home);
    const pem = newKeyPem();
    const data = endorse(openSigningKey(keys, purpose).key, createPrivateKey(pem), purpose);
    await log.append(defaultTenant, { event: keyRotatedEvent, actor, data: { ...data } });
    return replaceKey(keys, purpose, pem);
  } finally {
    await log.close();
  }
}
