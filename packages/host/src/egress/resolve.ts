import { Resolver } from "node:dns/promises";
import { isIPv6 } from "node:net";
import { isAddress } from "@mvm/protocol";
import { classifyAddress } from "./addresses.js";
import { Refusal } from "./decision.js";
import type { OperatorNetwork } from "./operator-file.js";
import type { Rules } from "./rules.js";

/** An address that may be connected to. */
export interface Vetted {
  readonly address: string;
  readonly port: number;
}

/** One try of one name server, and how often each is tried. Milliseconds. */
const tryMs = 2_000;
const tries = 2;

/**
 * Names to addresses by DNS alone: no search domains, no /etc/hosts, and no thread of this process is held meanwhile, so
 * that slow name servers hold up nobody else.
 */
export class Names {
  #resolver = new Resolver({ timeout: tryMs, tries });
  #servers = "";

  async resolve(name: string, servers: readonly string[] | undefined): Promise<string[]> {
    const wanted = servers?.join() ?? "";
    if (wanted !== this.#servers) {
      this.#resolver = new Resolver({ timeout: tryMs, tries });
      if (servers !== undefined) this.#resolver.setServers(servers);
      this.#servers = wanted;
    }
    const both = await Promise.allSettled([this.#resolver.resolve4(name), this.#resolver.resolve6(name)]);
    return both.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  }
}

/**
 * Where a connection may go: addresses that were looked at, in the order to try them. The caller connects to these and
 * never to the name again, so that a second answer of its name server means nothing.
 * @throws {Refusal}
 */
export async function vet(
  { host, port }: { host: string; port: number },
  { rules, operator, names }: { rules: Rules; operator: OperatorNetwork; names: Names },
): Promise<Vetted[]> {
  const override = operator.override(host, port);
  if (override !== undefined) return [{ address: override.address, port: override.port ?? port }];
  const addresses = isAddress(host) ? [host] : await names.resolve(host, operator.resolvers);
  if (addresses.length === 0) throw new Refusal("not_resolved");
  const allowed = addresses.filter((address) => isAllowed(address, port, rules));
  if (allowed.length === 0) throw new Refusal("private_address");
  // IPv4 first: where a host has both, a broken IPv6 is the more common trouble.
  return allowed.sort((a, b) => Number(isIPv6(a)) - Number(isIPv6(b))).map((address) => ({ address, port }));
}

/** Whether the policy lets this address be dialled: public ones, and those that a rule names. */
export function isAllowed(address: string, port: number, rules: Rules): boolean {
  return rules.namesAddress(address, port) || classifyAddress(address) === "public";
}
