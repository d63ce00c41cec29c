import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { lstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { InvalidArgumentError, SnapshotError } from "@mvm/protocol";
import { writeFileAtomic } from "../../store/atomic.js";
import { readPlainFile } from "../../store/plain-file.js";

const domain = Buffer.from("mvm-snapshot-archive-v1\0", "latin1");
const maxKeyBytes = 4096;

/** The pair this state root signs exported snapshots with. Made on first need; `<path>.pub` is for other hosts. */
export class ExportKey {
  private constructor(private readonly privateKey: KeyObject) {}

  /** @throws {SnapshotError} others could have read or written it */
  static open(path: string): ExportKey {
    return new ExportKey(readPrivate(path) ?? makePair(path));
  }

  get publicKey(): KeyObject {
    return createPublicKey(this.privateKey);
  }

  sign(contents: Uint8Array): { readonly public_key: string; readonly signature: string } {
    const signature = sign(null, Buffer.concat([domain, contents]), this.privateKey);
    return { public_key: spki(this.publicKey), signature: signature.toString("base64") };
  }
}

/** Whether the contents were signed with the private half of this key. */
export function signedBy(key: KeyObject, contents: Uint8Array, signature: string): boolean {
  return verify(null, Buffer.concat([domain, contents]), key, Buffer.from(signature, "base64"));
}

/** DER of a public key, base64. */
export function spki(key: KeyObject): string {
  return key.export({ type: "spki", format: "der" }).toString("base64");
}

/** A public key as `<path>.pub` has it, or its DER in base64. @throws {InvalidArgumentError} */
export function parsePublicKey(text: string): KeyObject {
  try {
    const key = text.includes("-----")
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text.trim(), "base64"), type: "spki", format: "der" });
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError({
    message: "Cannot trust the key: it is not an Ed25519 public key",
    hint: "Take keys/snapshot-export.key.pub of the state root that exported the archive",
    context: { pointer: "/key" },
  });
}

function readPrivate(path: string): KeyObject | undefined {
  try {
    const at = lstatSync(path);
    if ((at.mode & 0o077) !== 0 || at.uid !== process.geteuid?.()) throw new Error("others could have read it");
    return createPrivateKey(readPlainFile(path, maxKeyBytes));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SnapshotError({
      message: "Cannot use the key that signs exported snapshots: it is not a private key file of this user",
      hint: "Restore keys/snapshot-export.key of the state root with mode 0600, or remove it: a new pair is made",
      cause,
      outcome: "not_started",
    });
  }
}

function makePair(path: string): KeyObject {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileAtomic(`${path}.pub`, publicKey.export({ type: "spki", format: "pem" }), { durable: true });
  writeFileAtomic(path, privateKey.export({ type: "pkcs8", format: "pem" }), { durable: true });
  return privateKey;
}
