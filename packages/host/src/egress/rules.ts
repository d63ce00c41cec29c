import { isAddress, type NetworkPolicyDocument, type NetworkRule } from "@mvm/protocol";

/** A policy in the form that answers questions quickly. Pure. */
export interface Rules {
  /** The rule a connection falls under; undefined: none, so it is refused. */
  match(host: string, port: number): NetworkRule | undefined;
  /** Whether a rule names the address itself: only that admits private ones. */
  namesAddress(address: string, port: number): boolean;
  /** What the guest is told, without duplicates. */
  readonly guest: readonly { readonly host: string; readonly port: number }[];
}

/**
 * Compiles a canonical policy. A name may fall under several rules: `tcp`, which checks nothing, then wins; otherwise the
 * exact name before wildcards, and of these the first.
 */
export function compileRules(policy: NetworkPolicyDocument): Rules {
  const exact = new Map<string, NetworkRule[]>();
  const suffixes = new Map<string, NetworkRule[]>();
  for (const rule of policy.allow) {
    const [map, host] = rule.host.startsWith("*.") ? [suffixes, rule.host.slice(1)] : [exact, rule.host];
    const key = `${host} ${rule.port}`;
    map.set(key, [...(map.get(key) ?? []), rule]);
  }
  const candidates = (host: string, port: number): NetworkRule[] => {
    const found = [...(exact.get(`${host} ${port}`) ?? [])];
    if (isAddress(host)) return found;
    // One label or more before the suffix, never the apex: the first dot that counts is behind a character.
    for (let dot = host.indexOf(".", 1); dot !== -1; dot = host.indexOf(".", dot + 1)) {
      found.push(...(suffixes.get(`${host.slice(dot)} ${port}`) ?? []));
    }
    return found;
  };
  const guest = new Map(policy.allow.map(({ host, port }) => [`${host} ${port}`, { host, port }]));
  return {
    match(host, port) {
      const found = candidates(host, port);
      return found.find(({ protocol }) => protocol === "tcp") ?? found[0];
    },
    namesAddress: (address, port) => isAddress(address) && exact.has(`${address} ${port}`),
    guest: [...guest.values()],
  };
}
