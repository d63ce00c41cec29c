import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { InvalidArgumentError, PermanentError, validateHost, type SecretInfo, type SecretPutBody } from "@mvm/protocol";
import { writeFileAtomic } from "../store/atomic.js";
import { KeyRing } from "./key-ring.js";
import { openSecret, SealedSecretSchema, sealSecret, type SealedSecret } from "./sealed.js";

/** A value shorter than this would be found everywhere when it is taken out of texts. Bytes. */
export const shortestSecretBytes = 8;

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const headerPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;

/**
 * Secrets of this state root: `secrets/<sha256 of the name>.json`, each value encrypted. Values go in through the API and come
 * out only inside of this process, for requests to the hosts a secret is bound to.
 */
export class SecretStore {
  private readonly ring: KeyRing;

  constructor(
    private readonly directory: string,
    keyFile: string,
  ) {
    this.ring = new KeyRing(keyFile);
  }

  /** Stores a value, in place of an earlier one of that name. @throws {InvalidArgumentError} never repeats the value */
  put(name: string, { value, hosts = [], header }: SecretPutBody): SecretInfo {
    checkName(name);
    checkValue(value);
    if (header !== undefined && !headerPattern.test(header)) {
      throw new InvalidArgumentError({ message: `Cannot store secret "${name}": its header is no name of a header` });
    }
    const bound = [...new Set(hosts.map(validateHost))].sort();
    const now = new Date().toISOString();
    const created_at = this.find(name)?.created_at ?? now;
    const facts = { v: 1, name, hosts: bound, header: header ?? null, created_at, updated_at: now } as const;
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    writeFileAtomic(this.path(name), JSON.stringify(sealSecret(facts, value, this.ring.current())), { durable: true });
    return infoOf(facts);
  }

  /** By name; never a value. */
  list(): SecretInfo[] {
    return this.all()
      .map(infoOf)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** False when there was none. */
  remove(name: string): boolean {
    const there = this.find(name) !== undefined;
    rmSync(this.path(name), { force: true });
    return there;
  }

  /** Where a secret may go; undefined when there is none of that name. */
  find(name: string): SealedSecret | undefined {
    return this.read(this.path(name), name);
  }

  /** @throws {PermanentError} there is none, or its record has been changed */
  value(name: string): string {
    const sealed = this.find(name);
    const key = sealed && this.ring.find(sealed.key_id);
    try {
      if (sealed !== undefined && key !== undefined) return openSecret(sealed, key);
    } catch {
      // The reason would say something about the bytes.
    }
    throw damaged(name);
  }

  /** Encrypts every secret with a new key and forgets the old ones. A crash on the way loses nothing. Returns how many. */
  rotate(): number {
    const key = this.ring.renew();
    const all = this.all();
    for (const sealed of all) {
      const value = this.value(sealed.name);
      const { name, hosts, header, created_at, updated_at } = sealed;
      const facts = { v: 1, name, hosts, header, created_at, updated_at } as const;
      writeFileAtomic(this.path(name), JSON.stringify(sealSecret(facts, value, key)), { durable: true });
    }
    this.ring.retire();
    return all.length;
  }

  private all(): SealedSecret[] {
    let names: string[];
    try {
      names = readdirSync(this.directory).filter((file) => /^[0-9a-f]{64}\.json$/.test(file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    return names.flatMap((file) => this.read(join(this.directory, file)) ?? []);
  }

  private read(path: string, name?: string): SealedSecret | undefined {
    let value: unknown;
    try {
      value = JSON.parse(readFileSync(path, "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw damaged(name ?? "");
    }
    if (!Value.Check(SealedSecretSchema, value) || this.path(value.name) !== path) throw damaged(name ?? "");
    return value;
  }

  /** A name never becomes part of a path: names that differ in case stay two. */
  private path(name: string): string {
    return join(this.directory, `${createHash("sha256").update(name).digest("hex")}.json`);
  }
}

function checkName(name: string): void {
  if (namePattern.test(name)) return;
  throw new InvalidArgumentError({
    message: 'Cannot store a secret: its name is not up to 128 letters, digits, "_", "." or "-"',
    hint: "The name comes from the command line; the value never does",
  });
}

function checkValue(value: string): void {
  const bytes = Buffer.byteLength(value);
  const refuse = (why: string): never => {
    throw new InvalidArgumentError({ message: `Cannot store the secret: its value ${why}` });
  };
  if (bytes < shortestSecretBytes) refuse(`has less than ${shortestSecretBytes} bytes, too few to be found in outputs`);
  // A value becomes part of a header: what ends a header would add others.
  if (/[\0\r\n]/.test(value)) refuse("holds a line break or NUL");
  if (/\p{Surrogate}/u.test(value)) refuse("is not Unicode");
}

function infoOf({
  name,
  hosts,
  header,
  created_at,
  updated_at,
}: Omit<SealedSecret, "key_id" | "nonce" | "ciphertext" | "tag">): SecretInfo {
  return { name, hosts: [...hosts], header, created_at, updated_at };
}

function damaged(name: string): PermanentError {
  return new PermanentError({
    code: "SECRET_DAMAGED",
    message: `Cannot use secret "${name}": its record is missing, has been changed, or is of another key`,
  });
}
