import { verifyKeylessStatement } from "../release/keyless.js";
import { type Candidate, decoded, nobody, objectOf, type Signer, signingKey } from "./candidate.js";
import type { ImageTrust } from "./trust.js";

/** What a referrer and its one layer are that hold a Sigstore bundle. */
export const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
/** What a statement says that is a signature and not, for example, where an image was built. */
export const signingPredicate = "https://sigstore.dev/cosign/sign/v1";

interface Envelope {
  readonly payloadType: string;
  readonly payload: Buffer;
}

/** A signature in the form of cosign 3: a bundle with a statement of in-toto, whose subject is the digest. */
export function signedStatement(found: string, bundle: Buffer): Candidate {
  return {
    found,
    judge: (digest, trust) => {
      const signed = signerOf(bundle, trust);
      if (typeof signed === "string") return signed;
      return reasonAgainst(signed.envelope, digest) ?? signed.signer;
    },
  };
}

function signerOf(bundle: Buffer, trust: ImageTrust): { signer: Signer; envelope: Envelope } | string {
  const byKey = signedWithKey(bundle, trust);
  if (byKey !== undefined) return byKey;
  const material = objectOf(bundle)["verificationMaterial"] as Record<string, unknown> | undefined;
  if (material?.["publicKey"] !== undefined) return nobody([]);
  const reasons: string[] = [];
  for (const by of trust.identities) {
    const verdict = verifyKeylessStatement(bundle, by);
    if (verdict.ok) return { signer: { key: null, identity: verdict.identity, issuer: by.issuer }, envelope: verdict };
    reasons.push(verdict.reason);
  }
  return nobody(reasons);
}

function signedWithKey(bundle: Buffer, { keys }: ImageTrust): { signer: Signer; envelope: Envelope } | undefined {
  const { payloadType, payload, signatures } = (objectOf(bundle)["dsseEnvelope"] ?? {}) as Record<string, unknown>;
  const content = decoded(payload);
  if (content === undefined || typeof payloadType !== "string" || !Array.isArray(signatures)) return undefined;
  for (const one of signatures as ({ sig?: unknown } | null)[]) {
    const signature = decoded(one?.sig);
    const signer = signature && signingKey(keys, preAuthentication(payloadType, content), signature);
    if (signer !== undefined) return { signer, envelope: { payloadType, payload: content } };
  }
  return undefined;
}

/** What a signature of an envelope is made over: DSSE's PAE. */
function preAuthentication(payloadType: string, payload: Buffer): Buffer {
  const type = Buffer.from(payloadType);
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${payload.length} `), payload]);
}

/** No verifier of bundles looks at what a statement is about. */
function reasonAgainst({ payloadType, payload }: Envelope, digest: string): string | undefined {
  if (payloadType !== "application/vnd.in-toto+json") return "it signs something else than an image";
  const { _type, predicateType, subject } = objectOf(payload);
  if (!/^https:\/\/in-toto\.io\/Statement\/v(?:0\.1|1)$/.test(String(_type)) || predicateType !== signingPredicate) {
    return `it is no signature but a statement of type ${String(predicateType)}`;
  }
  const subjects = Array.isArray(subject) ? (subject as { digest?: { sha256?: unknown } }[]) : [];
  const signed = subjects.map((one) => `sha256:${String(one?.digest?.sha256)}`);
  return signed.includes(digest) ? undefined : `it signs ${signed.join(", ") || "nothing"}`;
}
