import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { evidenceLayout, parsePublicKey, readPublicKeys, type KeyPurpose, type PublicKeys } from "@mvm/evidence";
import { resolveHome } from "@mvm/sdk/client";
import { reading } from "../host-file/read.js";

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
