import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";

/** Public by its number, private by what answers there: the virtual machine host of a large cloud. */
const metadataAddresses = new Set(["168.63.129.16"]);

/** Ranges that are unicast to the library but lead to embedded IPv4 addresses, or nowhere public. */
const furtherRanges: readonly (readonly [string, ReturnType<typeof ipaddr.parseCIDR>])[] = (
  [
    ["ipv4Compatible", "::/96"],
    ["nat64", "64:ff9b::/96"],
    ["nat64Local", "64:ff9b:1::/48"],
    ["siteLocal", "fec0::/10"],
    ["documentation", "3fff::/20"],
    ["segmentRouting", "5f00::/16"],
  ] as const
).map(([name, range]) => [name, ipaddr.parseCIDR(range)]);

const globalUnicast = ipaddr.parseCIDR("2000::/3");

/**
 * What kind of address this is, as resolved: `public`, or the name of the range that makes it none. Families that embed an
 * IPv4 address (mapped, NAT64, 6to4, Teredo, ISATAP) are never public: what they embed decides where packets go.
 */
export function classifyAddress(address: string): string {
  // A zone belongs to a link, and what is on a link is not public.
  if (address.includes("%")) return "linkLocal";
  // The library also reads addresses as C once did, with fewer numbers and other bases.
  if (isIP(address) === 0) return "invalid";
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (range !== "unicast") return range;
  if (parsed.kind() === "ipv4") return metadataAddresses.has(address) ? "metadata" : publicOrOwn(address);
  for (const [name, block] of furtherRanges) if (parsed.match(block)) return name;
  if (!parsed.match(globalUnicast)) return "reserved";
  // ISATAP: an interface identifier of 0000:5efe or 0200:5efe and an IPv4 address.
  const [, , , , high, low] = (parsed as ipaddr.IPv6).parts;
  if (low === 0x5efe && (high === 0 || high === 0x200)) return "isatap";
  return publicOrOwn(parsed.toString());
}

/** This host answers on its public addresses as on its loopback. */
function publicOrOwn(address: string): string {
  const own = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .some((entry) => ipaddr.isValid(entry.address) && ipaddr.parse(entry.address).toString() === address);
  return own ? "own" : "public";
}
