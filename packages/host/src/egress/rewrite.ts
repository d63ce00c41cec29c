import type { IncomingMessage } from "node:http";
import { Refusal } from "./decision.js";
import { agrees, parseAuthority } from "./request-head.js";
import type { Substituted } from "./substitution.js";

/** Say where and how a message goes; a value has no business in them. */
const framing = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "te",
  "trailer",
  "upgrade",
  "expect",
]);

export interface Rewritten {
  /** Names and values in turn, in the order and spelling of the program. */
  readonly headers: readonly string[];
  readonly sent: ReadonlySet<string>;
  readonly kept: ReadonlySet<string>;
}

/**
 * The headers a request goes out with. What its server answers has to be looked at, so no compression is asked for.
 * @throws {Refusal} other_host: it is not for the host that the connection was allowed for; secret_unavailable
 */
export function rewriteRequest(
  { method = "", url = "", rawHeaders }: Pick<IncomingMessage, "method" | "url" | "rawHeaders">,
  { host, port }: { readonly host: string; readonly port: number },
  substitute: (name: string, text: string) => Substituted,
): Rewritten {
  const names = rawHeaders.filter((_text, at) => at % 2 === 0).map((name) => name.toLowerCase());
  const valueOf = (at: number): string => rawHeaders[2 * at + 1] ?? "";
  const hosts = names.flatMap((name, at) => (name === "host" ? [valueOf(at)] : []));
  const wanted = hosts.length === 1 ? parseAuthority(hosts[0] ?? "", 443) : undefined;
  const agreed = wanted !== undefined && wanted.host === host && wanted.port === port;
  if (!agreed || !agrees(method, url, wanted, "https")) throw new Refusal("other_host");
  const headers: string[] = [];
  const [sent, kept] = [new Set<string>(), new Set<string>()];
  for (const [at, name] of names.entries()) {
    if (name === "sec-websocket-extensions") continue;
    const text = name === "accept-encoding" ? "identity" : valueOf(at);
    const now = framing.has(name) ? { text, sent: [], kept: [] } : attempt(() => substitute(name, text));
    headers.push(rawHeaders[2 * at] ?? "", now.text);
    for (const secret of now.sent) sent.add(secret);
    for (const secret of now.kept) kept.add(secret);
  }
  // Without either there is no body; where the method could have one, that has to be said.
  const framed = names.some((name) => name === "content-length" || name === "transfer-encoding");
  if (!framed && !["GET", "HEAD", "OPTIONS", "DELETE", "TRACE"].includes(method)) headers.push("Content-Length", "0");
  return { headers, sent, kept };
}

function attempt(substitute: () => Substituted): Substituted {
  try {
    return substitute();
  } catch {
    // The reason could say something of the value.
    throw new Refusal("secret_unavailable");
  }
}
