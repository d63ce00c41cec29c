import { readFileSync } from "node:fs";
import type { SecretRefDocument } from "@mvm/protocol";
import type { SavedAuthority } from "../secrets/authority.js";
import { SandboxSecrets } from "../secrets/sandbox-secrets.js";
import { writeFileAtomic } from "../store/atomic.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

export interface GiveSecretsOptions {
  /** A guest that runs already believes its authority: another one is of no use. Default: one is made where there is none. */
  readonly adopted?: boolean;
}

/**
 * Gives a sandbox what its guest holds instead of secrets: placeholders, and an authority of its own for the hosts they are
 * bound to, kept beside its state for as long as the sandbox is there. From here on the values are taken out of what it says.
 * @param granted as admission has bound them
 * @throws {SandboxError} a value cannot be read, or, of an adopted one, its authority
 */
export async function giveSecrets(
  { secrets: store }: Services,
  sandbox: Sandbox,
  granted: Readonly<Record<string, SecretRefDocument>>,
  { adopted = false }: GiveSecretsOptions = {},
): Promise<void> {
  const secrets = Object.entries(granted).map(([env, { secret, hosts = [], header = null }]) => ({
    ...{ env, name: secret, hosts, header },
  }));
  if (secrets.length === 0) return;
  const { redactor } = sandbox.logs;
  // What was removed since cannot be sent any more, and its value is nowhere.
  const present = secrets.filter(({ name }) => !adopted || store.find(name) !== undefined);
  redactor.protect(present.map(({ name }) => store.value(name)));
  // Loaded here: most sandboxes have no secrets.
  const { Authority } = await import("../secrets/authority.js");
  const saved = readSaved(sandbox.files.authority, adopted);
  const authority = saved === undefined ? Authority.make(secrets.flatMap(({ hosts }) => hosts)) : Authority.load(saved);
  if (saved === undefined)
    writeFileAtomic(sandbox.files.authority, JSON.stringify(authority.save()), { durable: sandbox.detached });
  sandbox.secrets = new SandboxSecrets(secrets, sandbox.placeholders, authority, store, redactor);
  sandbox.placeholders = { ...sandbox.placeholders, ...sandbox.secrets.known };
}

function readSaved(path: string, needed: boolean): SavedAuthority | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as SavedAuthority;
  } catch (error) {
    if (needed) throw error;
    return undefined;
  }
}
