/** The head of an HTTP/1 request, as far as the way out is concerned. */
export interface RequestHead {
  /** The one host that request line and Host header agree on, in lower case, without port. */
  readonly host: string;
  /** 80 when none is written. */
  readonly port: number;
}

export type HeadResult = RequestHead | { readonly needs: number } | "not_http";

const maxHeadBytes = 16 * 1024;
const requestLine = /^([A-Z]{1,32}) (\S{1,8192}) HTTP\/1\.[01]$/;
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const authority = /^([a-z0-9_.-]{1,253})(?::(\d{1,5}))?$/;

/**
 * Reads the request head at the start of a connection's bytes. Whatever two readers could understand differently (bare line
 * feeds, folded lines, two lengths, several hosts, CONNECT) is `not_http`.
 */
export function readRequestHead(bytes: Uint8Array): HeadResult {
  const text = Buffer.from(bytes.subarray(0, maxHeadBytes)).toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const head = end === -1 ? text : text.slice(0, end);
  // Every line end is CR LF; a CR at the very end may still get its LF.
  if (/(?<!\r)\n|\r(?!\n|$)|\0/.test(head) || !couldBeRequest(head)) return "not_http";
  if (end === -1) return bytes.length >= maxHeadBytes ? "not_http" : { needs: bytes.length + 1 };
  const [first = "", ...lines] = head.split("\r\n");
  const [, method, target] = requestLine.exec(first) ?? [];
  if (method === undefined || target === undefined || method === "CONNECT") return "not_http";
  const headers = lines.map((line) => headerLine.exec(line));
  if (headers.includes(null)) return "not_http";
  const values = (name: string): string[] =>
    headers.flatMap((header) => (header?.[1]?.toLowerCase() === name ? [(header[2] ?? "").trim()] : []));
  if (values("content-length").length + values("transfer-encoding").length > 1) return "not_http";
  const [host, ...others] = values("host");
  if (host === undefined || others.length > 0) return "not_http";
  const wanted = parseAuthority(host, 80);
  return wanted !== undefined && agrees(method, target, wanted, "http") ? wanted : "not_http";
}

/** Refuses other protocols at their first byte instead of at the time limit. */
function couldBeRequest(head: string): boolean {
  return /^[A-Z]{0,32}(?: |$)/.test(head);
}

/** The host and port that a Host header names; undefined when it could be read in more than one way. */
export function parseAuthority(text: string, defaultPort: number): RequestHead | undefined {
  const [, host, port] = authority.exec(text.toLowerCase()) ?? [];
  return host === undefined ? undefined : { host, port: port === undefined ? defaultPort : Number(port) };
}

/** Whether a request's target is one of the host that its Host header names. */
export function agrees(method: string, target: string, { host, port }: RequestHead, scheme: "http" | "https"): boolean {
  if (target.startsWith("/")) return true;
  if (target === "*") return method === "OPTIONS";
  const [, named = "", at] = /^(https?):\/\/([^/?#]*)(?:[/?#]|$)/i.exec(target) ?? [];
  if (named.toLowerCase() !== scheme || at === undefined) return false;
  const absolute = parseAuthority(at, scheme === "http" ? 80 : 443);
  return absolute !== undefined && absolute.host === host && absolute.port === port;
}
