import { readFileSync } from "node:fs";
import { join } from "node:path";
import { canonicalName, packageManagers, type AllowList, type PackageManager } from "@mvm/images";
import { type NetworkRule, PolicyDenied } from "@mvm/protocol";
import { parseMessage } from "@mvm/protocol/frames";
import { operatorFile } from "../egress/operator-file.js";
import { knownPackages } from "./known-packages.js";

/** Where packages come from on this host, and which may be installed. */
export interface PackageSources {
  readonly allow: AllowList;
  /** Address of the index; of apt, nothing: it is the host's. */
  index(manager: PackageManager): string;
  /** What a machine has to reach to install with a manager. */
  rules(manager: PackageManager): NetworkRule[];
  /** Certificates (PEM) that index is believed by besides the image's own; undefined: none. */
  ca(manager: PackageManager): string | undefined;
}

interface Source {
  readonly allow: ReadonlySet<string> | "all";
  readonly index: string;
  /** Hosts besides the index: where its files lie. */
  readonly hosts: readonly string[];
  readonly ca: string | undefined;
}

const defaults: Readonly<Record<PackageManager, Source>> = {
  pip: source("pip", "https://pypi.org/simple/", ["files.pythonhosted.org"]),
  npm: source("npm", "https://registry.npmjs.org/", []),
  apt: source("apt", "", []),
};

/**
 * `policy/packages.json` of the state root, else `/etc/mvm/packages.json`; read at every use. For each manager it replaces what
 * is built in: `{"pip": {"allow": ["requests"], "index": "https://pypi.example.com/simple/", "hosts": [], "ca": "/path.pem"}}`.
 * `"allow": "*"` allows every name.
 * @throws {PolicyDenied} code POLICY_BROKEN: there is one and it cannot be believed
 */
export function packageSources(policyDirectory: string, system = "/etc/mvm"): PackageSources {
  const paths = [join(policyDirectory, "packages.json"), join(system, "packages.json")];
  const found = paths.map(operatorFile).find((file) => file !== undefined);
  const sources = found === undefined ? defaults : readSources(found);
  return {
    allow: Object.fromEntries(packageManagers.map((manager) => [manager, sources[manager].allow])),
    index: (manager) => sources[manager].index,
    ca: (manager) => sources[manager].ca,
    rules: (manager) => {
      const { index, hosts } = sources[manager];
      if (index === "") return [];
      const { protocol, hostname, port } = new URL(index);
      const rule = { protocol: protocol === "http:" ? "http" : "https" } as const;
      const number = port === "" ? (rule.protocol === "http" ? 80 : 443) : Number(port);
      return [hostname, ...hosts].map((host) => ({ host, port: number, ...rule }));
    },
  };
}

function readSources({ path, problem }: NonNullable<ReturnType<typeof operatorFile>>): typeof defaults {
  try {
    if (problem !== undefined) throw new Error(problem);
    return parseSources(parseMessage(readFileSync(path)));
  } catch (error) {
    throw new PolicyDenied({
      code: "POLICY_BROKEN",
      message: `Cannot install packages: ${path} cannot be used: ${(error as Error).message}`,
      outcome: "not_started",
    });
  }
}

/** Pure but for the certificates it names. Throws with what is wrong, in words for the operator. */
export function parseSources(document: unknown): typeof defaults {
  const given = Object.entries(record(document, "it")).map(([manager, value]) => {
    if (!(packageManagers as readonly string[]).includes(manager)) throw new Error(`"${manager}" is no manager`);
    return [manager, parseSource(manager as PackageManager, record(value, `"${manager}"`))];
  });
  return { ...defaults, ...(Object.fromEntries(given) as Partial<typeof defaults>) };
}

function parseSource(manager: PackageManager, value: Record<string, unknown>): Source {
  const base = defaults[manager];
  const { allow, index, hosts, ca, ...rest } = value;
  const unknown = Object.keys(rest)[0];
  if (manager === "apt" && [index, hosts, ca].some((field) => field !== undefined)) {
    throw new Error(`"apt" has only "allow": its archive is the one that this host's own apt is configured for`);
  }
  if (unknown !== undefined) throw new Error(`"${manager}" has the field "${unknown}", which is not known`);
  if (index !== undefined && (typeof index !== "string" || !/^https?:\/\//.test(index))) {
    throw new Error(`the index of "${manager}" has to be an http or https address`);
  }
  if (ca !== undefined && typeof ca !== "string") throw new Error(`"ca" of "${manager}" is not a path`);
  return {
    allow: allow === undefined ? base.allow : allow === "*" ? "all" : names(manager, strings(allow, "allow")),
    index: index ?? base.index,
    hosts: hosts === undefined ? (index === undefined ? base.hosts : []) : strings(hosts, "hosts"),
    ca: ca === undefined ? undefined : readFileSync(ca, "utf8"),
  };
}

function source(manager: PackageManager, index: string, hosts: readonly string[]): Source {
  return { allow: names(manager, knownPackages[manager] ?? []), index, hosts, ca: undefined };
}

function names(manager: PackageManager, list: readonly string[]): ReadonlySet<string> {
  return new Set(list.map((name) => canonicalName(manager, name)));
}

function strings(value: unknown, field: string): string[] {
  if (Array.isArray(value) && value.every((part) => typeof part === "string")) return value;
  throw new Error(`"${field}" is not a list of names`);
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${what} is not a JSON object`);
}
