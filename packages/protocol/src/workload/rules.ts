import { limits } from "../limits.js";
import { validateArgv, validateShell } from "../validate/argv.js";
import { validateEnv } from "../validate/env.js";
import { guestPathProblem } from "../validate/guest-path.js";
import { validateHost } from "../validate/host.js";
import { validateImage, validateUser } from "../validate/names.js";
import { validateTags } from "../validate/tags.js";
import { pointer, type WorkloadCode } from "./codes.js";

/** Reports one problem. */
export type Report = (code: WorkloadCode, path: string, detail: string) => void;

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const secretName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;

/** Runs one of the validators every surface shares, and reports what it throws. */
function valid(report: Report, code: WorkloadCode, path: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    report(code, path, (error as Error).message);
  }
}

/** What a structure cannot say about each part of a workload. Declarations and the IR are held to the same rules. */
export const rules = {
  argv: (report: Report, path: string, value: readonly string[]) =>
    valid(report, "E_INVALID_COMMAND", path, () => validateArgv(value)),

  shell: (report: Report, path: string, value: string) =>
    valid(report, "E_INVALID_COMMAND", path, () => validateShell(value)),

  env: (report: Report, path: string, value: Readonly<Record<string, string>>) =>
    valid(report, "E_INVALID_ENV", path, () => validateEnv(value)),

  tags: (report: Report, path: string, value: Readonly<Record<string, string>>) =>
    valid(report, "E_INVALID_TAG", path, () => validateTags(value)),

  user: (report: Report, path: string, value: string) =>
    valid(report, "E_INVALID_VALUE", path, () => validateUser(value)),

  image: (report: Report, path: string, value: string) =>
    valid(report, "E_INVALID_IMAGE", path, () => validateImage(value)),

  /** Absolute, and without `..`. */
  path(report: Report, path: string, value: string): void {
    const problem = value.startsWith("/") ? guestPathProblem(value) : "it is not absolute";
    if (problem !== null) report("E_INVALID_PATH", path, `Cannot use the path: ${problem}`);
  },

  /** In the spelling that is compared with names on the wire, so that one rule has one hash. */
  host(report: Report, path: string, value: string): void {
    if (value === "*" || value === "*." || value === "0.0.0.0" || value === "::" || value.endsWith("/0")) {
      return report("E_NETWORK_WILDCARD", path, "It would allow every host: name the hosts one by one");
    }
    valid(report, "E_INVALID_HOST", path, () => {
      const spelled = validateHost(value);
      if (spelled !== value) throw new Error(`The host is not in its one spelling: write ${JSON.stringify(spelled)}`);
    });
  },

  secret(report: Report, path: string, ref: { name: string; hosts?: readonly string[]; header?: string }): void {
    if (!secretName.test(ref.name)) {
      report("E_INVALID_SECRET", path, 'The name of a secret is up to 128 letters, digits, "_", "." or "-"');
    }
    ref.hosts?.forEach((host, at) => rules.host(report, pointer(pointer(path, "hosts"), at), host));
    if (ref.header !== undefined && !headerName.test(ref.header)) {
      report("E_INVALID_SECRET", pointer(path, "header"), "It is not the name of an HTTP header");
    }
  },

  bytes(report: Report, path: string, value: string): void {
    // Padding bits must be 0: otherwise several texts would mean one content.
    const last = /(?:[AQgw]==|[AEIMQUYcgkosw048]=)$/;
    if (base64.test(value) && (!value.endsWith("=") || last.test(value))) return;
    report("E_INVALID_BYTES", path, "Write standard base64 with padding, without white space");
  },

  /** Names that are used twice, each but the first. */
  unique(
    report: Report,
    code: WorkloadCode,
    what: string,
    keys: readonly (readonly [path: string, key: string])[],
  ): void {
    const seen = new Set<string>();
    for (const [path, key] of keys) {
      if (seen.has(key)) report(code, path, `${what} is there twice: remove one`);
      seen.add(key);
    }
  },
} as const;

/** The protocol of a rule that names none: what the port is for. */
export function protocolOfPort(host: string, port: number): "https" | "http" | "tcp" {
  if (/^[\d.]+$/.test(host)) return "tcp";
  return port === 443 ? "https" : port === 80 ? "http" : "tcp";
}

export const defaultResources = {
  cpu_cores: limits.cpuDefault,
  memory_mb: limits.memoryDefaultMb,
  rootfs_size_mb: limits.diskDefaultMb,
} as const;
