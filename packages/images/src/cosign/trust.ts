import { createHash, createPublicKey } from "node:crypto";
import { imageError } from "../errors.js";
import type { KeylessIdentity } from "../release/keyless.js";

/** Who may sign images of a place; a signature by any one of them is enough. */
export interface ImageTrust {
  readonly keys: readonly TrustedKey[];
  readonly identities: readonly KeylessIdentity[];
}

export interface TrustedKey {
  /** `sha256:` and the hex digest of the key in DER (SubjectPublicKeyInfo). */
  readonly id: string;
  readonly pem: string;
}

/** Who signed an image, as its record keeps it. */
export interface ImageSignature {
  /** Of the index or manifest that was signed. */
  readonly digest: string;
  /** Where the signature lay: a tag of the repository, or its list of referrers. */
  readonly found: string;
  /** `TrustedKey.id`; null: signed without a key. */
  readonly key: string | null;
  /** Subject of the certificate, and who vouched for it; null: signed with a key. */
  readonly identity: string | null;
  readonly issuer: string | null;
}

/** Reads a public key of `cosign generate-key-pair`: P-256 in PEM. @throws {InvalidArgumentError} it is none */
export function parseTrustedKey(pem: string): TrustedKey {
  try {
    // A private key would be taken for its public half in silence.
    if (!pem.includes("PRIVATE KEY")) {
      const key = createPublicKey(pem);
      if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") {
        const der = key.export({ format: "der", type: "spki" });
        return { id: `sha256:${createHash("sha256").update(der).digest("hex")}`, pem };
      }
    }
  } catch {
    // Told below.
  }
  throw imageError("invalid", "it is not a public key of cosign", {
    hint: "Give a P-256 public key in PEM, as `cosign generate-key-pair` writes it to cosign.pub",
  });
}
