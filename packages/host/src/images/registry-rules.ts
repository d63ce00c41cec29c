import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PolicyDenied } from "@mvm/protocol";
import { parseMessage } from "@mvm/protocol/frames";
import { operatorFile } from "../egress/operator-file.js";

/** What the operator of this host wants of images from registries. */
export interface RegistryRules {
  /** Whether an image may be pulled only by its digest. */
  readonly requireDigest: boolean;
}

/**
 * `policy/registries.json` of the state root, else `/etc/mvm/registries.json`; read at every use: `{"require_digest": true}`.
 * @throws {PolicyDenied} code POLICY_BROKEN: there is one and it cannot be believed
 */
export function registryRules(policyDirectory: string, system = "/etc/mvm"): RegistryRules {
  const paths = [join(policyDirectory, "registries.json"), join(system, "registries.json")];
  const found = paths.map(operatorFile).find((file) => file !== undefined);
  if (found === undefined) return { requireDigest: false };
  try {
    if (found.problem !== undefined) throw new Error(found.problem);
    const { require_digest: requireDigest, ...rest } = parseMessage(readFileSync(found.path)) as Record<
      string,
      unknown
    >;
    if (typeof requireDigest !== "boolean" || Object.keys(rest).length > 0) {
      throw new Error('it may hold "require_digest", true or false, and nothing else');
    }
    return { requireDigest };
  } catch (error) {
    throw new PolicyDenied({
      code: "POLICY_BROKEN",
      message: `Cannot pull images: ${found.path} cannot be used: ${(error as Error).message}`,
      outcome: "not_started",
    });
  }
}
