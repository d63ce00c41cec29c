import { randomBytes } from "node:crypto";

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

  /** @param valueOf reads a value of the store; called for a bound host only, and not kept */
  constructor(
    secrets: readonly GrantedSecret[],
    private readonly valueOf: (name: string) => string,
    make: () => string = newPlaceholder,
  ) {
    for (const secret of secrets) this.granted.set(make(), secret);
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
   * Placeholders of other secrets, of other headers and of other sandboxes stay the inert text they are.
   */
  substitute(host: string, header: string, text: string): { readonly text: string; readonly names: readonly string[] } {
    const names = new Set<string>();
    const replace = (plain: string): string =>
      plain.replace(placeholderPattern, (placeholder) => {
        const secret = this.granted.get(placeholder);
        const mayStand = secret?.header === null || secret?.header.toLowerCase() === header.toLowerCase();
        if (secret === undefined || !mayStand || !secret.hosts.some((pattern) => covers(pattern, host)))
          return placeholder;
        names.add(secret.name);
        return this.valueOf(secret.name);
      });
    const basic = /^(basic +)([A-Za-z0-9+/]+={0,2})$/i.exec(text);
    if (basic === null) return { text: replace(text), names: [...names] };
    const [, scheme = "", credentials = ""] = basic;
    const plain = Buffer.from(credentials, "base64").toString("latin1");
    replace(plain);
    // Credentials that held no placeholder pass as they were written.
    if (names.size === 0) return { text, names: [] };
    const bytes = Buffer.concat(splice(plain, replace));
    return { text: `${scheme}${bytes.toString("base64")}`, names: [...names] };
  }
}

/** Bytes of a latin1 text in which each placeholder becomes the UTF-8 of its value. */
function splice(plain: string, replace: (placeholder: string) => string): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  for (const match of plain.matchAll(placeholderPattern)) {
    parts.push(Buffer.from(plain.slice(at, match.index), "latin1"), Buffer.from(replace(match[0]), "utf8"));
    at = match.index + match[0].length;
  }
  return [...parts, Buffer.from(plain.slice(at), "latin1")];
}

/** Whether a host of a rule or binding covers a host name; a wildcard never covers its apex. */
export function covers(pattern: string, host: string): boolean {
  return pattern.startsWith("*.")
    ? host.length > pattern.length - 1 && host.endsWith(pattern.slice(1))
    : pattern === host;
}
