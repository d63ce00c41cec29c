import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { type ImageTrust, parseTrustedKey } from "@mvm/images";
import { PolicyDenied } from "@mvm/protocol";
import { parseMessage } from "@mvm/protocol/frames";
import { operatorFile } from "../egress/operator-file.js";
import { parseMatch, type TrustRule } from "./trust-rules.js";

/** What the operator of this host wants of images from registries. */
export interface RegistryRules {
  /** Whether an image may be pulled only by its digest. */
  readonly requireDigest: boolean;
  /** Who must have signed what. */
  readonly trust: readonly TrustRule[];
}

/**
 * `policy/registries.json` of the state root, else `/etc/mvm/registries.json`, with all the files it names; read at every use:
 * `{"require_digest": true, "trust": [{"match": "registry.example.com/team/*", "cosign": {"keys": ["/etc/mvm/team.pub"]}}]}`.
 * @throws {PolicyDenied} code POLICY_BROKEN: there is one and it cannot be believed
 */
export function registryRules(policyDirectory: string, system = "/etc/mvm"): RegistryRules {
  const paths = [join(policyDirectory, "registries.json"), join(system, "registries.json")];
  const path = paths.find((one) => operatorFile(one) !== undefined);
  if (path === undefined) return { requireDigest: false, trust: [] };
  try {
    const rules = fields(parseMessage(believed(path)), "it", ["require_digest", "trust"]);
    const { require_digest: requireDigest = false, trust = [] } = rules;
    if (typeof requireDigest !== "boolean") throw new Error('"require_digest" is true or false');
    return { requireDigest, trust: parseTrust(trust) };
  } catch (error) {
    throw new PolicyDenied({
      code: "POLICY_BROKEN",
      message: `Cannot pull images: ${path} cannot be used: ${(error as Error).message}`,
      hint: "Mend the file, or have its operator mend it; docs/images.md says what it may hold",
      outcome: "not_started",
    });
  }
}

function parseTrust(value: unknown): TrustRule[] {
  const rules = items(value, '"trust"').map((item): TrustRule => {
    const { match: written, cosign, unsigned } = fields(item, "a rule", ["match", "cosign", "unsigned"]);
    const match = parseMatch(written);
    if ((cosign === undefined) === (unsigned === undefined) || (unsigned ?? true) !== true) {
      throw new Error(`the rule for ${match.text} needs either "cosign" or "unsigned": true`);
    }
    return { match, trust: cosign === undefined ? undefined : parseCosign(cosign, match.text) };
  });
  const twice = rules.find(({ match }, at) => rules.findIndex((other) => other.match.text === match.text) !== at);
  if (twice !== undefined) throw new Error(`there are two rules for ${twice.match.text}`);
  return rules;
}

function parseCosign(value: unknown, place: string): ImageTrust {
  const { keys = [], keyless = [] } = fields(value, `"cosign" of ${place}`, ["keys", "keyless"]);
  const trust = {
    keys: items(keys, `"keys" of ${place}`).map((file) => {
      const path = absolute(file, `a key of ${place}`);
      try {
        return parseTrustedKey(believed(path).toString("utf8"));
      } catch (error) {
        throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
      }
    }),
    identities: items(keyless, `"keyless" of ${place}`).map((item) => parseIdentity(item, place)),
  };
  if (trust.keys.length + trust.identities.length === 0) throw new Error(`nobody may sign images of ${place}`);
  return trust;
}

function parseIdentity(value: unknown, place: string): ImageTrust["identities"][number] {
  const what = `"keyless" of ${place}`;
  const known = ["identity", "identity_prefix", "issuer", "trusted_root"];
  const { identity, identity_prefix: prefix, issuer, trusted_root: root } = fields(value, what, known);
  const named = identity ?? prefix;
  if ((identity === undefined) === (prefix === undefined) || typeof named !== "string" || named === "") {
    throw new Error(`${what} needs either "identity" or "identity_prefix"`);
  }
  if (typeof issuer !== "string" || issuer === "") throw new Error(`${what} needs an "issuer"`);
  const path = absolute(root, `"trusted_root" of ${place}`);
  const trustedRoot = believed(path).toString("utf8");
  fields(parseMessage(Buffer.from(trustedRoot)), path);
  return { identity: named, isPrefix: identity === undefined, issuer, trustedRoot };
}

/** The bytes of a file that nobody but the operator can have written. */
function believed(path: string): Buffer {
  const found = operatorFile(path);
  const problem = found === undefined ? "it is not there" : found.problem;
  if (problem !== undefined) throw new Error(`${path}: ${problem}`);
  return readFileSync(path);
}

function absolute(value: unknown, what: string): string {
  if (typeof value === "string" && isAbsolute(value)) return value;
  throw new Error(`${what} is the absolute path of a file`);
}

function items(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error(`${what} is a list`);
}

function fields(value: unknown, what: string, known?: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${what} is not a JSON object`);
  }
  const unknown = Object.keys(value).find((key) => known?.includes(key) === false);
  if (unknown !== undefined)
    throw new Error(`${what} may hold ${known?.join(", ")}, and not ${JSON.stringify(unknown)}`);
  return value as Record<string, unknown>;
}
