import { InvalidArgumentError, isAddress, type NetworkPolicyDocument, validateHost } from "@mvm/protocol";

/** Nothing leaves the sandbox. */
export const denyAll: NetworkPolicyDocument = { default: "deny", allow: [] };

/**
 * A policy with each host in its one spelling, and each rule once and in its place. Pure.
 * @throws {InvalidArgumentError} a host that cannot be one, or that means something else inside a sandbox
 */
export function canonicalNetwork(policy: NetworkPolicyDocument = denyAll): NetworkPolicyDocument {
  const rules = policy.allow.map((rule, index) => {
    const host = validateHost(rule.host);
    if (isAddress(host)) checkAddress(host, rule.protocol, index);
    return { host, port: rule.port, protocol: rule.protocol };
  });
  const once = new Map(rules.map((rule) => [`${rule.protocol} ${rule.host} ${rule.port}`, rule]));
  // In one order: policies that allow the same make plans with the same hash.
  const sorted = [...once].sort(([a], [b]) => (a < b ? -1 : 1));
  return { default: "deny", allow: sorted.map(([, rule]) => rule) };
}

function checkAddress(host: string, protocol: string, index: number): void {
  const refuse = (why: string, hint: string): never => {
    throw new InvalidArgumentError({
      message: `Cannot allow ${host}: ${why}`,
      hint,
      context: { pointer: `/network/allow/${index}` },
    });
  };
  const [first = 0, second = 0] = host.split(".").map(Number);
  if (host.split(".").some((part) => Number(part) > 255))
    refuse("it is not an IPv4 address", "Write four numbers up to 255");
  if (first === 0 || first >= 224) refuse("nothing can be connected to there", "Name the server's own address");
  if (first === 198 && (second === 18 || second === 19)) {
    refuse("198.18.0.0/15 stands for names inside a sandbox", "Name the host instead");
  }
  if (protocol === "https") {
    refuse("TLS names a host, never an address", `Allow the host by its name, or the address as tcp`);
  }
}
