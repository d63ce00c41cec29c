import {
  InvalidArgumentError,
  invalid,
  type NetworkPolicyDocument,
  type NetworkRule,
  validateHost,
  validatePort,
} from "@mvm/protocol";

/**
 * What may leave a sandbox: nothing but what a rule names. Immutable; each method returns a new policy. `*.example.com`
 * stands for one label or more below it and never for `example.com` itself.
 */
export class NetworkPolicy {
  readonly #rules: readonly NetworkRule[];

  private constructor(rules: readonly NetworkRule[]) {
    this.#rules = rules;
  }

  /** No connection at all; the start of every policy. */
  static denyByDefault(): NetworkPolicy {
    return new NetworkPolicy([]);
  }

  /** The policy of a plain document, as {@link NetworkPolicy.toJSON} makes it. */
  static from(document: NetworkPolicyDocument | NetworkPolicy): NetworkPolicy {
    if (document instanceof NetworkPolicy) return document;
    if (document.default !== "deny" || !Array.isArray(document.allow)) {
      throw new InvalidArgumentError({
        message: 'Cannot use the network policy: it is not { default: "deny", allow: [...] }',
        context: { argument: "network" },
      });
    }
    return document.allow.reduce((policy, rule) => policy.allow(rule), NetworkPolicy.denyByDefault());
  }

  /** Allows TLS to the name: the connection's SNI has to be it. @param port default 443 */
  allowHttps(host: string, port = 443): NetworkPolicy {
    return this.allow({ host, port, protocol: "https" });
  }

  /** Allows plain HTTP to the name. @param port default 80 */
  allowHttp(host: string, port = 80): NetworkPolicy {
    return this.allow({ host, port, protocol: "http" });
  }

  /** Allows any bytes to one port of the host. */
  allowTcp(host: string, port: number): NetworkPolicy {
    return this.allow({ host, port, protocol: "tcp" });
  }

  /** Adds one rule. Throws `InvalidArgumentError` for a host or port that cannot be. */
  allow(rule: NetworkRule): NetworkPolicy {
    const protocol: unknown = rule.protocol;
    if (protocol !== "https" && protocol !== "http" && protocol !== "tcp") {
      throw invalid("protocol", protocol, '"https", "http" or "tcp"');
    }
    return new NetworkPolicy([
      ...this.#rules,
      { host: validateHost(rule.host), port: validatePort(rule.port), protocol },
    ]);
  }

  /** The plain document that crosses to the daemon. */
  toJSON(): NetworkPolicyDocument {
    return { default: "deny", allow: this.#rules.map((rule) => ({ ...rule })) };
  }
}
