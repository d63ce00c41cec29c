import { realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError, PolicyDenied } from "@mvm/protocol";

/** Below a home directory: where programs keep what lets others act for its user. */
const credentials = [".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh"];
/** The kernel's and the system's own. */
const system = ["/proc", "/sys", "/dev", "/run", "/boot", "/etc"];

/**
 * The real name of a directory of this host, if it may be shared with a guest. What holds the state root or credentials, or
 * is the host itself, may not, whatever the profile: every sandbox's isolation hangs on it.
 * @throws {InvalidArgumentError} there is no such directory
 * @throws {PolicyDenied} rules `mount.source.*`
 */
export async function sharableDirectory(host: string, stateRoot: string): Promise<string> {
  if (!host.startsWith("/")) throw missing(host, "it is not absolute");
  let real: string;
  try {
    real = await realpath(host);
    if (!(await stat(real)).isDirectory()) throw missing(host, "it is not a directory");
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    throw missing(host, (error as NodeJS.ErrnoException).code === "ENOENT" ? "it does not exist" : "it cannot be read");
  }
  if (real === "/") throw denied(real, "root", "it is the whole file system");
  for (const path of system) if (isWithin(real, path)) throw denied(real, "system", `it belongs to ${path}`);
  const state = await realpath(stateRoot).catch(() => stateRoot);
  if (isWithin(real, state) || isWithin(state, real)) {
    throw denied(real, "state-root", "keys and disks of every sandbox are in reach");
  }
  const home = await realpath(homedir()).catch(() => homedir());
  if (isWithin(home, real)) throw denied(real, "home", "it holds a whole home directory");
  for (const name of credentials) {
    const path = join(home, name);
    if (isWithin(real, path)) throw denied(real, "credentials", `${path} holds credentials`);
  }
  return real;
}

function isWithin(path: string, parent: string): boolean {
  return path === parent || path.startsWith(`${parent}/`);
}

function missing(host: string, why: string): InvalidArgumentError {
  return new InvalidArgumentError({
    message: `Cannot share ${JSON.stringify(host.slice(0, 256))}: ${why}`,
    hint: "Name a directory of this host by its absolute path",
    context: { argument: "mounts" },
  });
}

function denied(real: string, rule: string, why: string): PolicyDenied {
  return new PolicyDenied({
    message: `Cannot share ${JSON.stringify(real.slice(0, 256))}: ${why}`,
    rule: `mount.source.${rule}`,
    hint: "Share a directory that holds only what the sandbox is to see",
  });
}
