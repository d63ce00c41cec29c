import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from "node:crypto";

/**
 * Signatures in the format of minisign (https://jedisct1.github.io/minisign/), so that its own program verifies ours and we
 * verify its: Ed25519 over the file, or over its BLAKE2b-512, with a comment that is signed too.
 */

/** An Ed25519 public key with the id that its signatures name. */
export interface MinisignKey {
  /** 8 bytes as minisign prints them: a little-endian number in hex. */
  readonly id: string;
  readonly key: KeyObject;
}

export type MinisignVerdict = { ok: true; comment: string } | { ok: false; reason: string };

/** Header of an Ed25519 key in SubjectPublicKeyInfo (RFC 8410): what stands before its 32 bytes. */
const spkiHeader = Buffer.from("302a300506032b6570032100", "hex");

/** Reads a minisign public key: the two lines of its file, or the base64 line alone. Undefined when it is none. */
export function parsePublicKey(text: string): MinisignKey | undefined {
  const line = text.trim().split("\n").at(-1)?.trim() ?? "";
  const bytes = decode(line, 42);
  if (bytes?.toString("latin1", 0, 2) !== "Ed") return undefined;
  const key = createPublicKey({
    key: Buffer.concat([spkiHeader, bytes.subarray(10)]),
    format: "der",
    type: "spki",
  });
  return { id: idText(bytes.subarray(2, 10)), key };
}

/** The text of a public key file. */
export function formatPublicKey({ id, key }: MinisignKey): string {
  const raw = key.export({ format: "der", type: "spki" }).subarray(spkiHeader.length);
  const line = Buffer.concat([Buffer.from("Ed"), idBytes(id), raw]).toString("base64");
  return `untrusted comment: minisign public key ${id}\n${line}\n`;
}

/** The id of a key that was not made by minisign: the first eight bytes of the key's SHA-256. */
export function keyOf(key: KeyObject): MinisignKey {
  const raw = key.export({ format: "der", type: "spki" }).subarray(spkiHeader.length);
  return { id: idText(createHash("sha256").update(raw).digest().subarray(0, 8)), key };
}

/** Signs with an Ed25519 private key in PEM. The comment is one line and is signed too. */
export function signMinisign(
  content: Uint8Array,
  privatePem: string,
  comment: string,
): { text: string; key: MinisignKey } {
  const secret = createPrivateKey(privatePem);
  if (secret.asymmetricKeyType !== "ed25519") throw new TypeError("the key is not an Ed25519 key");
  const key = keyOf(createPublicKey(secret));
  const signature = sign(null, prehash(content), secret);
  const trusted = sign(null, Buffer.concat([signature, Buffer.from(comment)]), secret);
  const line = Buffer.concat([Buffer.from("ED"), idBytes(key.id), signature]).toString("base64");
  const text = [
    `untrusted comment: signature of mvm`,
    line,
    `trusted comment: ${comment}`,
    trusted.toString("base64"),
    "",
  ];
  return { text: text.join("\n"), key };
}

/** Verifies a signature file. Any doubt about its form is a refusal. */
export function verifyMinisign(content: Uint8Array, signatureText: string, { id, key }: MinisignKey): MinisignVerdict {
  const [untrusted, line, trusted, global, ...rest] = signatureText.replace(/\n$/, "").split("\n");
  const prefix = "trusted comment: ";
  if (!untrusted?.startsWith("untrusted comment:") || !trusted?.startsWith(prefix) || rest.length > 0) {
    return { ok: false, reason: "the signature is not in minisign's format" };
  }
  const bytes = decode(line, 74);
  const globalBytes = decode(global, 64);
  if (bytes === undefined || globalBytes === undefined) {
    return { ok: false, reason: "the signature is not in minisign's format" };
  }
  const algorithm = bytes.toString("latin1", 0, 2);
  if (algorithm !== "ED" && algorithm !== "Ed") return { ok: false, reason: "the signature's algorithm is unknown" };
  const signer = idText(bytes.subarray(2, 10));
  if (signer !== id) return { ok: false, reason: `it is signed by key ${signer}, not by ${id}` };
  const signature = bytes.subarray(10);
  const comment = trusted.slice(prefix.length);
  const signed = algorithm === "ED" ? prehash(content) : content;
  if (!verify(null, signed, key, signature)) return { ok: false, reason: "the signature is not of this file" };
  if (!verify(null, Buffer.concat([signature, Buffer.from(comment)]), key, globalBytes)) {
    return { ok: false, reason: "its trusted comment was changed" };
  }
  return { ok: true, comment };
}

function idText(bytes: Uint8Array): string {
  return Buffer.from(bytes).reverse().toString("hex").toUpperCase();
}

function idBytes(id: string): Buffer {
  return Buffer.from(id, "hex").reverse();
}

function prehash(content: Uint8Array): Buffer {
  return createHash("blake2b512").update(content).digest();
}

/** Base64 in its one spelling and of just this many bytes. */
function decode(line: string | undefined, length: number): Buffer | undefined {
  if (line === undefined) return undefined;
  const bytes = Buffer.from(line, "base64");
  return bytes.length === length && bytes.toString("base64") === line ? bytes : undefined;
}
