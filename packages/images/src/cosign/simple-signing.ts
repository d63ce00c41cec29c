import { createHash, X509Certificate } from "node:crypto";
import { verifyKeyless } from "../release/keyless.js";
import { type Candidate, decoded, nobody, objectOf, type Signer, signingKey } from "./candidate.js";
import type { ImageTrust } from "./trust.js";

/** What a layer is whose bytes are a payload in the format of simple signing. */
export const simpleSigningType = "application/vnd.dev.cosign.simplesigning.v1+json";

/**
 * A signature in the form of cosign before its version 3: a payload that names the digest, the signature of it as an
 * annotation, and for keyless ones certificate and log entry as two more.
 */
export function simpleSigning(found: string, payload: Buffer, annotations: Record<string, unknown>): Candidate {
  return {
    found,
    judge: (digest, trust) => {
      const signer = signerOf(payload, annotations, trust);
      // What it says counts only once somebody trusted has said it. The name in it does not: cosign asks for none.
      return typeof signer === "string" ? signer : (reasonAgainst(payload, digest) ?? signer);
    },
  };
}

function signerOf(payload: Buffer, annotations: Record<string, unknown>, trust: ImageTrust): Signer | string {
  const signature = decoded(annotations["dev.cosignproject.cosign/signature"]);
  if (signature === undefined) return "its signature is missing or not base64";
  const byKey = signingKey(trust.keys, payload, signature);
  if (byKey !== undefined) return byKey;
  if (annotations["dev.sigstore.cosign/certificate"] === undefined) return nobody([]);
  const bundle = bundleOf(payload, signature, annotations);
  if (bundle === undefined) return "its certificate or its log entry cannot be read";
  const reasons: string[] = [];
  for (const by of trust.identities) {
    const verdict = verifyKeyless(payload, bundle, by);
    if (verdict.ok) return { key: null, identity: verdict.identity, issuer: by.issuer };
    reasons.push(verdict.reason);
  }
  return nobody(reasons);
}

function reasonAgainst(payload: Buffer, digest: string): string | undefined {
  const { critical } = objectOf(payload) as { critical?: { type?: unknown; image?: Record<string, unknown> } };
  if (critical?.type !== "cosign container image signature") return "it signs something else than an image";
  const signed = critical.image?.["docker-manifest-digest"];
  return signed === digest ? undefined : `it signs ${String(signed)}`;
}

/** Certificate and log entry of the annotations as the bundle they would be today. */
function bundleOf(payload: Buffer, signature: Buffer, annotations: Record<string, unknown>): Buffer | undefined {
  try {
    const certificate = new X509Certificate(String(annotations["dev.sigstore.cosign/certificate"]));
    const entry = JSON.parse(String(annotations["dev.sigstore.cosign/bundle"])) as {
      SignedEntryTimestamp: string;
      Payload: { body: string; integratedTime: number; logIndex: number; logID: string };
    };
    const { body, integratedTime, logIndex, logID } = entry.Payload;
    const { kind, apiVersion } = objectOf(Buffer.from(body, "base64"));
    const logged = {
      logIndex: String(logIndex),
      logId: { keyId: Buffer.from(logID, "hex").toString("base64") },
      kindVersion: { kind, version: apiVersion },
      integratedTime: String(integratedTime),
      inclusionPromise: { signedEntryTimestamp: entry.SignedEntryTimestamp },
      canonicalizedBody: body,
    };
    const digest = createHash("sha256").update(payload).digest("base64");
    const bundle = {
      mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
      verificationMaterial: {
        x509CertificateChain: { certificates: [{ rawBytes: certificate.raw.toString("base64") }] },
        tlogEntries: [logged],
      },
      messageSignature: {
        messageDigest: { algorithm: "SHA2_256", digest },
        signature: signature.toString("base64"),
      },
    };
    return Buffer.from(JSON.stringify(bundle));
  } catch {
    return undefined;
  }
}
