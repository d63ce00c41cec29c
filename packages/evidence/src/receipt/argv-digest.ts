import { createHmac } from "node:crypto";

/**
 * Digest of an argv under a key that only the host has. Each argument is preceded by its length, so that no two argvs
 * are hashed as the same bytes.
 */
export function argvDigest(argv: readonly string[], key: Uint8Array): string {
  const hmac = createHmac("sha256", key);
  for (const argument of argv) hmac.update(`${Buffer.byteLength(argument)}:`).update(argument);
  return hmac.digest("hex");
}
