import { bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";

/** Whom a keyless signature must be by, and which authorities may say so. */
export interface KeylessIdentity {
  /** The certificate's subject, whole: an address, or the URL of a workflow. */
  readonly identity: string;
  /** The OpenID provider that vouched for it. */
  readonly issuer: string;
  /** Authorities and logs to believe, as `trusted_root.json` of Sigstore. */
  readonly trustedRoot: string;
}

/**
 * Verifies a Sigstore bundle (`cosign sign-blob --bundle`) over one file, without any network: the certificate by the given
 * authority, its entry in a certificate log and the signature's in a transparency log, and the identity to the letter.
 * @returns why it is refused, or undefined
 */
export function verifyKeyless(content: Uint8Array, bundle: Uint8Array, by: KeylessIdentity): string | undefined {
  try {
    const parsed = bundleFromJSON(JSON.parse(Buffer.from(bundle).toString("utf8")));
    if (parsed.content.$case !== "messageSignature") return "the bundle is an attestation, not a signature of a file";
    const material = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(by.trustedRoot)));
    // The verifier takes the name as a pattern anywhere in the subject: "acme" would be satisfied by "acme-evil".
    const subjectAlternativeName = `^${by.identity.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}$`;
    const entity = toSignedEntity(parsed, Buffer.from(content));
    new Verifier(material).verify(entity, { subjectAlternativeName, extensions: { issuer: by.issuer } });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
