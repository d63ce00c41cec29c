import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { parseTrustedKey, type TrustedKey } from "../../src/cosign/trust.js";
import { sha256 } from "../oci/make-image.js";

/** What a registry keeps: a manifest and the blobs that it names. */
export interface Artifact {
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
  readonly manifest: Buffer;
}

/** A pair as `cosign generate-key-pair` makes one. */
export function cosignKey(): { readonly secret: KeyObject; readonly pem: string; readonly trusted: TrustedKey } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = publicKey.export({ format: "pem", type: "spki" }).toString();
  return { secret: privateKey, pem, trusted: parseTrustedKey(pem) };
}

export interface Payload {
  readonly payload: Buffer;
  readonly annotations: Record<string, string>;
}

/** What cosign signs in its old form. */
export function simplePayload(digest: string, type = "cosign container image signature"): Buffer {
  const critical = {
    identity: { "docker-reference": "registry.example.com/team/tool" },
    image: { "docker-manifest-digest": digest },
    type,
  };
  return Buffer.from(JSON.stringify({ critical, optional: null }));
}

export function signedWithKey(secret: KeyObject, digest: string, payload = simplePayload(digest)): Payload {
  const signature = sign("sha256", payload, secret).toString("base64");
  return { payload, annotations: { "dev.cosignproject.cosign/signature": signature } };
}

/** The old form of signatures, to be put under the tag `sha256-<hex>.sig`. */
export function simpleSignatures(...signatures: readonly Payload[]): Artifact {
  const config = Buffer.from("{}");
  return artifact(config, {
    layers: signatures.map(({ payload }) => payload),
    described: signatures.map(({ payload, annotations }) => ({
      ...describe("application/vnd.dev.cosign.simplesigning.v1+json", payload),
      annotations,
    })),
    config: describe("application/vnd.oci.image.config.v1+json", config),
  });
}

export const signingPredicate = "https://sigstore.dev/cosign/sign/v1";

/** What cosign signs in its new form. */
export function statement(digest: string, predicateType = signingPredicate): Buffer {
  const subject = [{ digest: { sha256: digest.replace("sha256:", "") } }];
  return Buffer.from(
    JSON.stringify({ _type: "https://in-toto.io/Statement/v1", subject, predicateType, predicate: {} }),
  );
}

export function bundleWithKey(secret: KeyObject, signed: Buffer): object {
  const payloadType = "application/vnd.in-toto+json";
  const head = `DSSEv1 ${payloadType.length} ${payloadType} ${signed.length} `;
  const sig = sign("sha256", Buffer.concat([Buffer.from(head), signed]), secret).toString("base64");
  return {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint: "" }, tlogEntries: [] },
    dsseEnvelope: { payload: signed.toString("base64"), payloadType, signatures: [{ sig, keyid: "" }] },
  };
}

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** A bundle that refers to a digest. */
export function bundleReferrer(digest: string, bundle: object | Buffer): Artifact {
  const bytes = Buffer.isBuffer(bundle) ? bundle : Buffer.from(JSON.stringify(bundle));
  const config = Buffer.from("{}");
  return artifact(config, {
    layers: [bytes],
    described: [describe(bundleType, bytes)],
    config: describe("application/vnd.oci.empty.v1+json", config),
    more: { artifactType: bundleType, subject: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest } },
  });
}

/** The list of what refers to a digest, as the referrers API and the tag `sha256-<hex>` have it. */
export function referrerList(...referrers: readonly Artifact[]): Buffer {
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const manifests = referrers.map(({ manifest }) => ({
    ...describe("application/vnd.oci.image.manifest.v1+json", manifest),
    artifactType: bundleType,
  }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
}

function artifact(
  config: Buffer,
  made: { layers: readonly Buffer[]; described: readonly object[]; config: object; more?: object },
): Artifact {
  const manifest = {
    ...{ schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", ...made.more },
    ...{ config: made.config, layers: made.described },
  };
  return { config, layers: made.layers, manifest: Buffer.from(JSON.stringify(manifest)) };
}

function describe(mediaType: string, bytes: Buffer): object {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}
