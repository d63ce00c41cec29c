import { readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { aptTargetArgs, parseAptTargets, pickDebianTarget, signedByOf } from "./apt-targets.js";
import { runChild } from "./child.js";
import { imageError } from "./errors.js";

/** The archive images are built from. */
export interface DebianSource {
  /** Base address, as apt has it. May hold credentials: never record it without `withoutCredentials`. */
  uri: string;
  suite: string;
  component: string;
  /** File apt checks signatures with; undefined means apt's own trusted keys. */
  keyring: string | undefined;
}

export interface DebianSourceOptions {
  mirror?: string | undefined;
  suite?: string | undefined;
  keyring?: string | undefined;
}

/** Preferred guest release; the host's own is the fallback where the archive does not carry it. */
export const preferredSuite = "trixie";
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** `MVM_DEBIAN_MIRROR`, `MVM_DEBIAN_SUITE` and `MVM_DEBIAN_KEYRING`, for hosts that are not Debian. */
export function sourceOptionsFromEnvironment(env: NodeJS.ProcessEnv): DebianSourceOptions {
  return { mirror: env["MVM_DEBIAN_MIRROR"], suite: env["MVM_DEBIAN_SUITE"], keyring: env["MVM_DEBIAN_KEYRING"] };
}

/**
 * Candidates in the order to try: a named suite alone, else the preferred one and then the host's. The mirror and
 * the keyring are those of the host's apt configuration unless named.
 */
export async function debianSources(options: DebianSourceOptions, log: string): Promise<DebianSource[]> {
  const host = options.mirror === undefined ? await hostSource(log) : undefined;
  const uri = options.mirror ?? host?.uri;
  if (uri === undefined) {
    throw imageError("dependency", "Cannot find a Debian archive: apt on this host has none", {
      hint: "Set MVM_DEBIAN_MIRROR to the address of a Debian mirror",
    });
  }
  const keyring = options.keyring ?? host?.keyring ?? (existsSync(debianKeyring) ? debianKeyring : undefined);
  const suites = options.suite === undefined ? [preferredSuite, host?.suite ?? preferredSuite] : [options.suite];
  return [...new Set(suites)].map((suite) => ({ uri, suite, component: "main", keyring }));
}

async function hostSource(
  log: string,
): Promise<{ uri: string; suite: string; keyring: string | undefined } | undefined> {
  const table = await runChild("apt-get", aptTargetArgs, { log, timeoutMs: 30_000 });
  const target = pickDebianTarget(parseAptTargets(table));
  if (target === undefined) return undefined;
  const file = target.entry.slice(0, target.entry.lastIndexOf(":"));
  const content = await readFile(file, "utf8").catch(() => "");
  return { uri: target.uri, suite: target.codename, keyring: signedByOf(target.entry, content) };
}

/** An address fit for a record: user name, password and query removed. */
export function withoutCredentials(uri: string): string {
  return uri.replace(/\/\/[^@/]*@/, "//").replace(/[?#].*$/, "");
}
