import { createHash, generateKeyPairSync, sign, type KeyPairKeyObjectResult } from "node:crypto";
import { initializeCA, initializeTLog } from "@sigstore/mock";

/** Who vouches for everybody here. */
export const issuer = "https://token.example.com";
const statementType = "application/vnd.in-toto+json";

/** A certificate authority, a certificate log and a transparency log of the test's own. */
export interface MockSigstore {
  /** Names them, as `trusted_root.json` of Sigstore. */
  readonly trustedRoot: string;
  /** What `subject` signs of a file: the bundle, and the annotations that cosign made of it before it had bundles. */
  signFile(content: Buffer, subject: string): Promise<{ bundle: FileBundle; annotations: Record<string, string> }>;
  /** What `subject` signs of a statement. */
  signStatement(statement: Buffer, subject: string): Promise<object>;
}

/** Promises to log a certificate (RFC 6962, 3.2 and 3.3): what an authority puts into it. */
function certificateLog({ publicKey, privateKey }: KeyPairKeyObjectResult) {
  const key = publicKey.export({ format: "der", type: "spki" });
  const logID = createHash("sha256").update(key).digest();
  const log = (certificate: ArrayBuffer, issuer: ArrayBuffer): Promise<ArrayBuffer> => {
    const tbs = firstElement(Buffer.from(certificate));
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(Date.now()));
    const entry = [Buffer.of(0, 1), Buffer.from(issuer), Buffer.of(0), uint16(tbs.length), tbs, uint16(0)];
    const signature = sign("sha256", Buffer.concat([Buffer.of(0, 0), time, ...entry]), privateKey);
    const tail = [uint16(0), Buffer.of(4, 3), uint16(signature.length), signature];
    const promise = Buffer.concat([Buffer.of(0), logID, time, ...tail]);
    return Promise.resolve(new Uint8Array(Buffer.concat([uint16(promise.length), promise])).buffer);
  };
  return { publicKey: key, logID, log };
}

/** The first element of a DER sequence; both have lengths of two bytes here. */
function firstElement(der: Buffer): Buffer {
  return der.subarray(4, 8 + der.readUInt16BE(6));
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}

/** What a transparency log answers, of which the library says nothing. */
interface LogEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logID: string;
  readonly logIndex: number;
  readonly verification?: {
    readonly inclusionProof?: {
      readonly checkpoint: string;
      readonly logIndex: number;
      readonly rootHash: string;
      readonly treeSize: number;
    };
    readonly signedEntryTimestamp?: string;
  };
}

export interface FileBundle {
  readonly verificationMaterial: { readonly certificate: object; readonly tlogEntries: readonly object[] };
  readonly messageSignature: object;
}

const newKey = (): KeyPairKeyObjectResult => generateKeyPairSync("ec", { namedCurve: "P-256" });

export async function mockSigstore(): Promise<MockSigstore> {
  const ctLog = certificateLog(newKey());
  const authority = await initializeCA(newKey(), ctLog);
  const log = await initializeTLog("https://log.example.com", newKey());
  const certify = async (subject: string) => {
    const { publicKey, privateKey } = newKey();
    const certificate = await authority.issueCertificate({
      publicKey: publicKey.export({ format: "der", type: "spki" }),
      subjectAltName: subject,
      extensions: [{ oid: "1.3.6.1.4.1.57264.1.1", value: issuer, legacy: true }],
    });
    const lines = certificate.toString("base64").replace(/(.{64})/g, "$1\n");
    return { certificate, privateKey, pem: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n` };
  };
  const logged = async (kind: string, spec: object): Promise<LogEntry> => {
    const entries: Record<string, LogEntry> = await log.log({ apiVersion: "0.0.1", kind, spec });
    return Object.values(entries)[0]!;
  };
  return {
    trustedRoot: JSON.stringify({
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      tlogs: [{ baseUrl: "https://log.example.com", ...authorityKey(log.publicKey) }],
      ctlogs: [{ baseUrl: "https://ct.example.com", ...authorityKey(ctLog.publicKey) }],
      certificateAuthorities: [
        {
          subject: { organization: "test", commonName: "test" },
          uri: "https://ca.example.com",
          certChain: { certificates: [{ rawBytes: authority.rootCertificate.toString("base64") }] },
          validFor: { start: "2020-01-01T00:00:00Z" },
        },
      ],
      timestampAuthorities: [],
    }),
    signFile: async (content, subject) => {
      const { certificate, privateKey, pem } = await certify(subject);
      const signature = sign("sha256", content, privateKey).toString("base64");
      const digest = createHash("sha256").update(content).digest();
      const entry = await logged("hashedrekord", {
        data: { hash: { algorithm: "sha256", value: digest.toString("hex") } },
        signature: { content: signature, publicKey: { content: Buffer.from(pem).toString("base64") } },
      });
      const { body, integratedTime, logIndex, logID, verification } = entry;
      const payload = { body, integratedTime, logIndex, logID };
      return {
        bundle: {
          ...bundleOf(certificate, "hashedrekord", entry),
          messageSignature: { messageDigest: { algorithm: "SHA2_256", digest: digest.toString("base64") }, signature },
        },
        annotations: {
          "dev.cosignproject.cosign/signature": signature,
          "dev.sigstore.cosign/certificate": pem,
          "dev.sigstore.cosign/bundle": JSON.stringify({
            SignedEntryTimestamp: verification!.signedEntryTimestamp,
            Payload: payload,
          }),
        },
      };
    },
    signStatement: async (statement, subject) => {
      const { certificate, privateKey, pem } = await certify(subject);
      const head = `DSSEv1 ${statementType.length} ${statementType} ${statement.length} `;
      const signature = sign("sha256", Buffer.concat([Buffer.from(head), statement]), privateKey).toString("base64");
      const hash = createHash("sha256").update(statement).digest("hex");
      const entry = await logged("dsse", {
        payloadHash: { algorithm: "sha256", value: hash },
        signatures: [{ signature, verifier: Buffer.from(pem).toString("base64") }],
      });
      const payload = statement.toString("base64");
      return {
        ...bundleOf(certificate, "dsse", entry),
        dsseEnvelope: { payload, payloadType: statementType, signatures: [{ sig: signature, keyid: "" }] },
      };
    },
  };
}

function bundleOf(certificate: Buffer, kind: string, entry: LogEntry) {
  const proof = entry.verification!.inclusionProof!;
  return {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: {
      certificate: { rawBytes: certificate.toString("base64") },
      tlogEntries: [
        {
          logIndex: String(entry.logIndex),
          logId: { keyId: Buffer.from(entry.logID, "hex").toString("base64") },
          kindVersion: { kind, version: "0.0.1" },
          integratedTime: String(entry.integratedTime),
          inclusionPromise: { signedEntryTimestamp: entry.verification!.signedEntryTimestamp },
          inclusionProof: {
            logIndex: String(proof.logIndex),
            rootHash: Buffer.from(proof.rootHash, "hex").toString("base64"),
            treeSize: String(proof.treeSize),
            hashes: [],
            checkpoint: { envelope: proof.checkpoint },
          },
          canonicalizedBody: entry.body,
        },
      ],
    },
  };
}

function authorityKey(key: Buffer): object {
  return {
    hashAlgorithm: "SHA2_256",
    publicKey: {
      rawBytes: key.toString("base64"),
      keyDetails: "PKIX_ECDSA_P256_SHA_256",
      validFor: { start: "2020-01-01T00:00:00Z" },
    },
    logId: { keyId: createHash("sha256").update(key).digest("base64") },
  };
}
