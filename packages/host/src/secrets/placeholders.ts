import { randomBytes } from "node:crypto";
import type { Substituted } from "../egress/substitution.js";

/** A secret as one sandbox may use it: narrowed by its request, never wider than it is stored. */
export interface GrantedSecret {
  /** Variable of the guest that holds the placeholder. */
  readonly env: string;
  readonly name: string;
  /** Hosts the value may be sent to, in the spelling of network rules; `*.name` is one label or more below it. */
  readonly hosts: readonly string[];
  /** The only header it may stand in; null: any. */
  readonly header: string | null;
}

/** What a guest sees in place of a value: random, of one length, of letters that no encoding changes. */
export function newPlaceholder(): string {
  return `mvmsecret${randomBytes(20).toString("hex")}`;
}

const placeholderPattern = /mvmsecret[0-9a-f]{40}/g;

/**
 * The placeholders of one sandbox. They mean nothing anywhere else: a value is looked up only for a host its secret is bound
 * to, when a request to that host is on its way.
 */
export class Placeholders {
  private readonly granted = new Map<string, GrantedSecret>();

  /**
   * @param valueOf reads a value of the store; called for a bound host only, and not kept
   * @param known placeholders that the guest holds already, by variable; others are made
   */
  constructor(
    secrets: readonly GrantedSecret[],
    private readonly valueOf: (name: string, host: string, header: string) => string,
    known: Readonly<Record<string, string>> = {},
  ) {
    for (const secret of secrets) this.granted.set(known[secret.env] ?? newPlaceholder(), secret);
  }

  /** What the guest's environment holds. */
  env(): Record<string, string> {
    return Object.fromEntries([...this.granted].map(([placeholder, { env }]) => [env, placeholder]));
  }

  /** Whether requests to this host may need a value, so that their TLS has to end on the host. */
  bound(host: string): boolean {
    return [...this.granted.values()].some(({ hosts }) => hosts.some((pattern) => covers(pattern, host)));
  }

  /**
   * A header's value as it goes to the host: placeholders of secrets bound to it replaced, also inside of `Basic` credentials.
   * Placeholders of other secrets, of other headers and of other sandboxes stay the inert text they are. Texts are bytes, one
   * a character, as headers hold them.
   */
  substitute(host: string, header: string, text: string): Substituted {
    const [sent, kept] = [new Set<string>(), new Set<string>()];
    const replace = (placeholder: string): string => {
      const secret = this.granted.get(placeholder);
      if (secret === undefined) return placeholder;
      const mayStand = secret.header === null || secret.header.toLowerCase() === header.toLowerCase();
      if (!mayStand || !secret.hosts.some((pattern) => covers(pattern, host))) {
        kept.add(secret.name);
        return placeholder;
      }
      sent.add(secret.name);
      return Buffer.from(this.valueOf(secret.name, host, header), "utf8").toString("latin1");
    };
    const [, scheme = "", credentials] = /^(basic +)([A-Za-z0-9+/]+={0,2})$/i.exec(text) ?? [];
    const plain = credentials === undefined ? text : Buffer.from(credentials, "base64").toString("latin1");
    const replaced = plain.replace(placeholderPattern, replace);
    const names = { sent: [...sent], kept: [...kept] };
    // Credentials that held nothing to replace pass as they were written.
    if (sent.size === 0) return { text, ...names };
    if (credentials === undefined) return { text: replaced, ...names };
    return { text: `${scheme}${Buffer.from(replaced, "latin1").toString("base64")}`, ...names };
  }
}

/** Whether a host of a rule or binding covers a host name; a wildcard never covers its apex. */
export function covers(pattern: string, host: string): boolean {
  return pattern.startsWith("*.")
    ? host.length > pattern.length - 1 && host.endsWith(pattern.slice(1))
    : pattern === host;
}
