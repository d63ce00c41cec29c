import { createPublicKey, verify } from "node:crypto";
import { imageError } from "../errors.js";
import { verifyKeyless, type KeylessIdentity } from "./keyless.js";
import { keyOf, parsePublicKey, verifyMinisign, type MinisignKey } from "./minisign.js";

/** Who a release is taken from: the holder of a key, or an identity that an authority vouches for. */
export type ReleaseTrust =
  | { readonly kind: "minisign"; readonly key: MinisignKey }
  | { readonly kind: "cosign"; readonly pem: string }
  | { readonly kind: "keyless"; readonly by: KeylessIdentity };

/** The signature file of each kind, beside the manifest. */
export const signatureFile: Readonly<Record<ReleaseTrust["kind"], string>> = {
  minisign: "release.json.minisig",
  cosign: "release.json.sig",
  keyless: "release.json.sigstore.json",
};

/** Larger is no signature. */
export const maxSignatureBytes = 256 * 1024;

/**
 * Reads the public key to trust: minisign's file or line, or a PEM of an Ed25519 key (both verify `.minisig`), or a PEM of a
 * P-256 key (verifies what `cosign sign-blob --key` writes).
 * @throws {InvalidArgumentError} it is none of these
 */
export function trustOfKey(text: string): ReleaseTrust {
  const minisign = parsePublicKey(text);
  if (minisign !== undefined) return { kind: "minisign", key: minisign };
  try {
    // A private key would be taken for its public half in silence.
    if (!text.includes("PRIVATE KEY")) {
      const key = createPublicKey(text);
      if (key.asymmetricKeyType === "ed25519") return { kind: "minisign", key: keyOf(key) };
      if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") return { kind: "cosign", pem: text };
    }
  } catch {
    // Told below.
  }
  throw imageError("invalid", "Cannot trust this key: it is not a public key of minisign or cosign", {
    hint: "Give a minisign public key, or an Ed25519 or P-256 public key in PEM",
  });
}

/** @throws {AssetChecksumError} the signature is not of this manifest, or not by who is trusted */
export function checkSignature(manifest: Uint8Array, signature: Uint8Array, trust: ReleaseTrust): void {
  const refused = reasonAgainst(manifest, Buffer.from(signature), trust);
  if (refused === undefined) return;
  throw imageError("checksum", `Cannot trust the release: ${refused}`, {
    hint: "Check the key with whoever publishes the release; nothing of it was used",
  });
}

function reasonAgainst(manifest: Uint8Array, signature: Buffer, trust: ReleaseTrust): string | undefined {
  switch (trust.kind) {
    case "minisign": {
      const verdict = verifyMinisign(manifest, signature.toString("utf8"), trust.key);
      return verdict.ok ? undefined : verdict.reason;
    }
    case "cosign": {
      // `cosign sign-blob` writes the base64 of an ASN.1 signature over the file's SHA-256.
      const text = signature.toString("latin1").trim();
      const bytes = Buffer.from(text, "base64");
      if (bytes.toString("base64") !== text) return "the signature is not base64";
      const holds = verify("sha256", manifest, { key: trust.pem, dsaEncoding: "der" }, bytes);
      return holds ? undefined : "the signature is not of this file, or of another key";
    }
    case "keyless": {
      const verdict = verifyKeyless(manifest, signature, trust.by);
      return verdict.ok ? undefined : verdict.reason;
    }
  }
}
