import { X509Certificate } from "node:crypto";
import { lstatSync, readFileSync } from "node:fs";
import { isIP, isIPv6 } from "node:net";
import { join } from "node:path";
import { isAddress, validateHost, validatePort } from "@mvm/protocol";
import { parseMessage } from "@mvm/protocol/frames";
import type { Logger } from "../observe/log.js";

/** Where a name leads by the operator's word. */
export interface Target {
  readonly address: string;
  /** Undefined: the port that was asked for. */
  readonly port: number | undefined;
}

/** What the operator of this host says about names. */
export interface OperatorNetwork {
  /** The address that stands for a name, whatever kind it is; undefined: the name is resolved. */
  override(host: string, port: number): Target | undefined;
  /** Name servers instead of the host's own; undefined: the host's own. */
  readonly resolvers: readonly string[] | undefined;
  /** Certificates, PEM, that vouch for servers beside those this host trusts; for hosts that secrets are bound to. */
  readonly authorities: readonly string[];
}

const nothing: OperatorNetwork = { override: () => undefined, resolvers: undefined, authorities: [] };
const maxBytes = 1024 * 1024;

/**
 * `policy/network.json` of the state root, else `/etc/mvm/network.json`:
 * `{"overrides": {"api.example.com": "192.0.2.7", "db.example.com:5432": "127.0.0.1:15432"}, "resolvers": ["192.0.2.53"], "authorities": ["-----BEGIN CERTIFICATE-----…"]}`.
 * Read again when it has changed. One that is broken, or that others could have written, allows nothing.
 */
export class OperatorFile {
  readonly #paths: readonly string[];
  readonly #log: Logger;
  #stamp = "";
  #network: OperatorNetwork | undefined = nothing;

  constructor(root: string, log: Logger, system = "/etc/mvm") {
    this.#paths = [join(root, "policy", "network.json"), join(system, "network.json")];
    this.#log = log;
  }

  /** Undefined when the file cannot be used. */
  current(): OperatorNetwork | undefined {
    const found = this.#paths.map(operatorFile).find((file) => file !== undefined);
    const stamp = found === undefined ? "" : found.stamp;
    if (stamp === this.#stamp) return this.#network;
    this.#stamp = stamp;
    this.#network = found === undefined ? nothing : this.#read(found);
    return this.#network;
  }

  #read({ path, problem }: Found): OperatorNetwork | undefined {
    try {
      if (problem !== undefined) throw new Error(problem);
      const network = parseOperatorNetwork(readFileSync(path));
      this.#log.info({ path }, "operator's network file read");
      return network;
    } catch (error) {
      const problem = (error as Error).message;
      this.#log.error({ path, problem }, "operator's network file refused: no connection is allowed");
      return undefined;
    }
  }
}

/** A file of the operator, by what tells it from any other state of itself. */
export interface Found {
  readonly path: string;
  readonly stamp: string;
  readonly problem: string | undefined;
}

/** Undefined when there is none; its `problem` when it must not be believed. */
export function operatorFile(path: string): Found | undefined {
  try {
    const file = lstatSync(path);
    const stamp = `${path} ${file.ino} ${file.mtimeMs} ${file.ctimeMs} ${file.size}`;
    return { path, stamp, problem: problemOf(file) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR"
      ? undefined
      : { path, stamp: path, problem: `it cannot be read: ${code}` };
  }
}

function problemOf(file: ReturnType<typeof lstatSync>): string | undefined {
  if (file === undefined || !file.isFile()) return "it is not a regular file";
  if (file.size > maxBytes) return `it is larger than ${maxBytes} bytes`;
  if (file.uid !== 0 && file.uid !== process.getuid?.()) return "it belongs to another user";
  return (Number(file.mode) & 0o022) === 0 ? undefined : "others may write it";
}

const known = ["overrides", "resolvers", "authorities"];

/** Throws with what is wrong, in words for the operator. */
export function parseOperatorNetwork(bytes: Uint8Array): OperatorNetwork {
  const document = record(parseMessage(bytes), "it");
  const unknown = Object.keys(document).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new Error(`${JSON.stringify(unknown)} is not known`);
  const overrides = new Map<string, Target>();
  for (const [name, value] of Object.entries(record(document["overrides"] ?? {}, '"overrides"'))) {
    const { host, port } = split(name);
    if (isIP(host) === 0 && validateHost(host).startsWith("*")) throw new Error(`${name} is a wildcard`);
    const target = split(String(value));
    if (isIP(target.host) === 0) throw new Error(`${name} does not lead to an IP address`);
    overrides.set(`${validateHost(host)} ${port ?? "*"}`, { address: target.host, port: target.port });
  }
  const resolvers = document["resolvers"];
  if (resolvers !== undefined && !(Array.isArray(resolvers) && resolvers.every(isServer))) {
    throw new Error('"resolvers" is not a list of IP addresses');
  }
  const authorities = document["authorities"] ?? [];
  if (!(Array.isArray(authorities) && authorities.every(isCertificate))) {
    throw new Error('"authorities" is not a list of certificates in PEM form');
  }
  return {
    authorities,
    override: (host, port) => overrides.get(`${host} ${port}`) ?? overrides.get(`${host} *`),
    resolvers: resolvers as readonly string[] | undefined,
  };
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${what} is not a JSON object`);
}

/** `host`, `host:port`, `[v6]:port` or a bare IPv6 address. */
function split(text: string): { host: string; port: number | undefined } {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return { host: text, port: undefined };
  return {
    host: match[1] ?? match[2] ?? "",
    port: match[3] === undefined ? undefined : validatePort(Number(match[3])),
  };
}

function isServer(value: unknown): boolean {
  if (typeof value !== "string") return false;
  const { host } = split(value);
  return isAddress(host) || isIPv6(host);
}

function isCertificate(value: unknown): value is string {
  try {
    return typeof value === "string" && new X509Certificate(value).ca;
  } catch {
    return false;
  }
}
