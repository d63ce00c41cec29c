import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { evidenceLayout, parsePublicKey, readPublicKeys, type KeyPurpose, type PublicKeys } from "@mvm/evidence";
import { resolveHome } from "@mvm/sdk/client";
import { invalidArgument } from "../errors.js";

/** Bytes of a key file; a real one has about a hundred. */
const maxKeyBytes = 4096;

/** Where a tenant's chain lies. Verifying needs these files and a public key, and nothing else of this host. */
export function chainPlace(tenant: string): { readonly directory: string; readonly lock: string } {
  const { audit, lock } = evidenceLayout(resolveHome());
  return { directory: join(audit, tenant), lock };
}

/** The key the user pinned, or those of this state root. */
export function trustedKeys(purpose: KeyPurpose, pinned: string | undefined): PublicKeys {
  if (pinned === undefined)
    return reading("the public keys", () => readPublicKeys(evidenceLayout(resolveHome()).keys, purpose));
  return reading(JSON.stringify(pinned), () => {
    const at = statSync(pinned);
    if (!at.isFile() || at.size > maxKeyBytes) throw new TypeError("it is no public key in PEM");
    return { current: parsePublicKey(readFileSync(pinned)), old: [] };
  });
}

/** Reads a file whose content is to be judged: a regular one, and no larger than it can be. */
export function readBounded(path: string, maxBytes: number): Buffer | "too_large" {
  return reading(JSON.stringify(path), () => {
    const at = statSync(path);
    if (!at.isFile()) throw new TypeError("it is not a regular file");
    return at.size > maxBytes ? "too_large" : readFileSync(path);
  });
}

/** Says which file cannot be read, and why. */
export function reading<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unreadable(what, error);
  }
}

/** A file that cannot be read says nothing about what it holds. */
export function unreadable(what: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined && !/^E[A-Z]+$/.test(code)) return error as Error;
  const why = code === "EACCES" ? "this user may not" : code === "ENOENT" ? "it is not there" : message;
  return invalidArgument(`Cannot read ${what}: ${why}`, "Name a file that this user can read");
}
