import { PolicyDenied, validateHost, type SecretRefDocument } from "@mvm/protocol";
import type { Plan } from "./plan.js";

/** Where a stored secret may go; never its value. */
export interface SecretBinding {
  readonly hosts: readonly string[];
  readonly header: string | null;
}

/**
 * A plan whose secrets say where each may really go: the hosts of the request within those the secret is stored with, and of
 * them the ones its network policy lets out over HTTPS.
 * @throws {PolicyDenied} code SECRET_DENIED: unknown, bound to no host that may be reached, or to another header
 */
export function bindSecrets(plan: Plan, find: (name: string) => SecretBinding | undefined): Plan {
  if (Object.keys(plan.secrets).length === 0) return plan;
  const entries = Object.entries(plan.secrets).map(([env, ref]): [string, SecretRefDocument] => {
    if (Object.hasOwn(plan.env, env))
      throw denied(ref.secret, `variable ${env} has a plaintext value too`, "secret.variable");
    const stored = find(ref.secret);
    if (stored === undefined) throw denied(ref.secret, "there is none of that name", "secret.unknown");
    const { header } = stored;
    if (ref.header !== undefined && header !== null && ref.header.toLowerCase() !== header.toLowerCase()) {
      throw denied(ref.secret, `it may stand in header ${header} only`, "secret.header");
    }
    const asked = ref.hosts?.map(validateHost);
    const hosts = (asked ?? stored.hosts).filter((host) => within(host, stored.hosts) && reachable(plan, host));
    if (hosts.length === 0)
      throw denied(ref.secret, "it is bound to no host that the sandbox may reach", "secret.unbound");
    const only = ref.header ?? header;
    return [env, { secret: ref.secret, hosts: [...new Set(hosts)].sort(), ...(only !== null && { header: only }) }];
  });
  return { ...plan, secrets: Object.fromEntries(entries) };
}

/** Whether one of the patterns covers every name a host pattern stands for. */
function within(host: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    if (pattern === host) return true;
    if (!pattern.startsWith("*.")) return false;
    const name = host.startsWith("*.") ? host.slice(2) : host;
    return name.length > pattern.length - 1 && name.endsWith(pattern.slice(1));
  });
}

function reachable({ network }: Plan, host: string): boolean {
  const rules = network.allow.filter(({ protocol }) => protocol === "https").map((rule) => rule.host);
  // A wildcard of the secret is of use for any rule beneath it.
  return within(host, rules) || rules.some((rule) => within(rule, [host]));
}

function denied(name: string, why: string, rule: string): PolicyDenied {
  return new PolicyDenied({
    code: "SECRET_DENIED",
    message: `Cannot give the sandbox secret "${name}": ${why}`,
    rule,
    ...(rule === "secret.unknown" && { hint: "Store it with `mvmctl secret put NAME`, or correct the name" }),
  });
}
