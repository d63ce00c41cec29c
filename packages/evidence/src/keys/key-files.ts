import { createPrivateKey, generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { createFile, realDisk } from "../chain/disk.js";
import { systemReason, unusableKey } from "../errors.js";
import { keyId, parsePublicKey, publicPem } from "./key-id.js";

/** What a key signs. */
export type KeyPurpose = "audit" | "receipt";

/** A private key and its name. */
export interface SigningKey {
  readonly id: string;
  readonly key: KeyObject;
}

/**
 * The signing key of a purpose, `<purpose>.key` (PKCS 8, 0600); made when there is none. Its public half is written to
 * `<purpose>.pub` whenever that file does not show it. The caller holds the lock of the state root's evidence.
 * @throws {VmConfigError} the file is damaged, belongs to another user, or others can read it
 */
export function openSigningKey(directory: string, purpose: KeyPurpose): SigningKey {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `${purpose}.key`);
  const pem = readPrivate(path) ?? makePrivate(path, newKeyPem);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw unusableKey(path, "it is no private key in PEM", error);
  }
  if (key.asymmetricKeyType !== "ed25519") throw unusableKey(path, "it is not an Ed25519 key");
  showPublic(directory, purpose, key);
  return { id: keyId(key), key };
}

/** Key of the host for digests of what could be guessed, such as an argv: 32 bytes that never leave it. */
export function openDigestKey(directory: string): Buffer {
  const path = join(directory, "argv.hmac");
  const text = readPrivate(path) ?? makePrivate(path, () => `${randomBytes(32).toString("hex")}\n`);
  if (!/^[0-9a-f]{64}\n$/.test(text)) throw unusableKey(path, "it does not hold 32 bytes in hexadecimal");
  return Buffer.from(text.trim(), "hex");
}

/** The public keys of a purpose: the one in use, and those that were. */
export interface PublicKeys {
  readonly current: KeyObject | null;
  readonly old: readonly KeyObject[];
}

/**
 * Reads `<purpose>.pub` and `old/<purpose>-<key id>.pub`. Needs no private key.
 * @throws {VmConfigError} the public key in use cannot be read
 */
export function readPublicKeys(directory: string, purpose: KeyPurpose): PublicKeys {
  const path = join(directory, `${purpose}.pub`);
  const pem = readIfThere(path);
  return { current: pem === undefined ? null : parse(path, pem), old: oldKeys(directory, purpose) };
}

/** Name of the place where a public key is kept that signs no more. */
export function oldKeyPath(directory: string, purpose: KeyPurpose, id: string): string {
  return join(directory, "old", `${purpose}-${id}.pub`);
}

/** Keeps a public key that will sign no more; what it signed stays verifiable. */
export function keepOldKey(directory: string, purpose: KeyPurpose, key: KeyObject): void {
  const path = oldKeyPath(directory, purpose, keyId(key));
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (readIfThere(path) === undefined) createFile(path, publicPem(key), 0o644);
}

export function newKeyPem(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

function oldKeys(directory: string, purpose: KeyPurpose): KeyObject[] {
  let names: string[] = [];
  try {
    names = readdirSync(join(directory, "old"));
  } catch {
    // No key was ever replaced.
  }
  return names
    .filter((name) => name.startsWith(`${purpose}-`) && name.endsWith(".pub"))
    .map((name) => parse(name, readFileSync(join(directory, "old", name), "utf8")));
}

function showPublic(directory: string, purpose: KeyPurpose, key: KeyObject): void {
  const path = join(directory, `${purpose}.pub`);
  const pem = publicPem(key);
  const shown = readIfThere(path);
  if (shown === pem) return;
  if (shown !== undefined) keepOldKey(directory, purpose, parse(path, shown));
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.mvm-tmp`;
  createFile(temporary, pem, 0o644);
  // Public: an auditor who is another user reads it once the directories let him.
  chmodSync(temporary, 0o644);
  renameSync(temporary, path);
  realDisk.syncDirectory(directory);
}

/** Makes a private file so that a crash leaves it whole or absent. */
export function makePrivate(path: string, content: () => string): string {
  const text = content();
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.mvm-tmp`;
  createFile(temporary, text, 0o600);
  renameSync(temporary, path);
  realDisk.syncDirectory(dirname(path));
  return text;
}

function readPrivate(path: string): string | undefined {
  try {
    const at = lstatSync(path);
    if (!at.isFile()) throw unusableKey(path, "it is not a regular file");
    if (at.uid !== process.geteuid?.()) throw unusableKey(path, `it belongs to user ${at.uid}`);
    if ((at.mode & 0o077) !== 0) throw unusableKey(path, `others may use it (mode ${(at.mode & 0o777).toString(8)})`);
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if ((error as NodeJS.ErrnoException).code?.startsWith("E") !== true) throw error;
    throw unusableKey(path, systemReason(error), error);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unusableKey(path, systemReason(error), error);
  }
}

function parse(path: string, pem: string): KeyObject {
  try {
    return parsePublicKey(pem);
  } catch (error) {
    throw unusableKey(path, (error as Error).message, error);
  }
}
