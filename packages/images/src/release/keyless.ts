import { type Bundle, bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";

/** Whom a keyless signature must be by, and which authorities may say so. */
export interface KeylessIdentity {
  /** The certificate's subject, whole: an address, or the URL of a workflow. */
  readonly identity: string;
  /** Whether `identity` is only how the subject begins. Default: false. */
  readonly isPrefix?: boolean;
  /** The OpenID provider that vouched for it. */
  readonly issuer: string;
  /** Authorities and logs to believe, as `trusted_root.json` of Sigstore. */
  readonly trustedRoot: string;
}

/** By whom it is, as the certificate names its subject, or why it is refused. */
export type KeylessVerdict<T = unknown> = ({ ok: true; identity: string } & T) | { ok: false; reason: string };

/** What was signed, and of what kind it says to be. */
export interface SignedStatement {
  readonly payloadType: string;
  readonly payload: Buffer;
}

/**
 * Verifies a Sigstore bundle (`cosign sign-blob --bundle`) over one file, without any network: the certificate by the given
 * authority, its entry in a certificate log and the signature's in a transparency log, and the identity to the letter.
 */
export function verifyKeyless(content: Uint8Array, bundle: Uint8Array, by: KeylessIdentity): KeylessVerdict {
  return attempt(() => {
    const parsed = parse(bundle);
    if (parsed.content.$case !== "messageSignature") throw new Error("it is an attestation, not a signature of a file");
    return { ok: true, identity: subjectOf(parsed, by, Buffer.from(content)) };
  });
}

/** Verifies a Sigstore bundle that holds a statement, as `verifyKeyless` does one over a file; what it states is for the caller. */
export function verifyKeylessStatement(bundle: Uint8Array, by: KeylessIdentity): KeylessVerdict<SignedStatement> {
  return attempt(() => {
    const parsed = parse(bundle);
    if (parsed.content.$case !== "dsseEnvelope") throw new Error("it is a signature of a file, not a statement");
    const { payloadType, payload } = parsed.content.dsseEnvelope;
    return { ok: true, identity: subjectOf(parsed, by), payloadType, payload };
  });
}

function parse(bundle: Uint8Array): Bundle {
  return bundleFromJSON(JSON.parse(Buffer.from(bundle).toString("utf8")));
}

/** The certificate's subject, once all else holds. Throws with why it is refused. */
function subjectOf(bundle: Bundle, by: KeylessIdentity, content?: Buffer): string {
  const material = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(by.trustedRoot)));
  // The verifier takes the name as a pattern anywhere in the subject: "acme" would be satisfied by "acme-evil".
  const literal = by.identity.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const subjectAlternativeName = `^${literal}${by.isPrefix === true ? "" : "$"}`;
  const policy = { subjectAlternativeName, extensions: { issuer: by.issuer } };
  const { identity } = new Verifier(material).verify(toSignedEntity(bundle, content), policy);
  if (identity?.subjectAlternativeName === undefined) throw new Error("its certificate names nobody");
  return identity.subjectAlternativeName;
}

function attempt<T>(once: () => KeylessVerdict<T>): KeylessVerdict<T> {
  try {
    return once();
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
