import { limits } from "../limits.js";
import { invalid } from "./invalid.js";

const label = "[a-z0-9_-]{1,63}";
const namePattern = new RegExp(`^(?:${label}\\.)*${label}$`);
const addressPattern = /^\d{1,3}(?:\.\d{1,3}){3}$/;
/** What would make a parser of URLs see something else than a host. */
const foreign = /[\s/\\?#@:%[\]<>^|"`{}*]/u;

const wanted = "a host name, an IPv4 address, or *. and a name";
const hint = "Name a host without scheme, port or path, such as api.example.com";

/**
 * A host of a network rule in its one spelling: lower case, ASCII (names in other scripts in their `xn--` form), no final
 * dot. An IPv4 address has to be written as four decimal numbers: whatever else some programs read as one is refused.
 * Throws `InvalidArgumentError`.
 */
export function validateHost(value: unknown): string {
  if (typeof value !== "string" || value.length > limits.hostLength) throw invalid("host", value, wanted, hint);
  const wildcard = value.startsWith("*.");
  const written = wildcard ? value.slice(2) : value;
  const host = canonicalName(written);
  if (host === undefined || (addressPattern.test(host) && (wildcard || host !== written))) {
    const v6 = /^\[?[0-9a-f]*:[0-9a-f:.]*\]?$/i.test(value);
    throw invalid("host", value, wanted, v6 ? "Name the host instead: there is no IPv6 in a sandbox" : hint);
  }
  return wildcard ? `*.${host}` : host;
}

/** Whether a rule's host is an address and not a name. */
export function isAddress(host: string): boolean {
  return addressPattern.test(host);
}

function canonicalName(written: string): string | undefined {
  if (written === "" || foreign.test(written)) return undefined;
  let host: string;
  try {
    // The one parser that knows both international names and every way to write an IPv4 address.
    host = new URL(`http://${written}/`).hostname;
  } catch {
    return undefined;
  }
  if (host.endsWith(".")) host = host.slice(0, -1);
  return host.length <= 253 && namePattern.test(host) ? host : undefined;
}
