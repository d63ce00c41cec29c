import { createHash, generateKeyPairSync, sign, type KeyPairKeyObjectResult } from "node:crypto";
import { initializeCA, initializeTLog } from "@sigstore/mock";
import { beforeAll, expect, test } from "vitest";
import { verifyKeyless, type KeylessIdentity } from "../../src/release/keyless.js";

/** A certificate authority, a certificate log and a transparency log of the test's own, as a trusted root names them. */
const content = Buffer.from("a release\n");
const identity = "https://example.com/acme/mvm/.github/workflows/release.yml@refs/tags/v1";
const issuer = "https://token.example.com";
let bundle: Bundle;
let trustedRoot: string;
let by: KeylessIdentity;

type Bundle = Awaited<ReturnType<typeof signedBy>>["bundle"];

beforeAll(async () => {
  ({ bundle, trustedRoot } = await signedBy(identity));
  by = { identity, issuer, trustedRoot };
});

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

async function signedBy(subject: string) {
  const [ca, ct, tlog, signer] = [1, 2, 3, 4].map(() => generateKeyPairSync("ec", { namedCurve: "P-256" })) as [
    KeyPairKeyObjectResult,
    KeyPairKeyObjectResult,
    KeyPairKeyObjectResult,
    KeyPairKeyObjectResult,
  ];
  const ctLog = certificateLog(ct);
  const authority = await initializeCA(ca, ctLog);
  const log = await initializeTLog("https://log.example.com", tlog);
  const certificate = await authority.issueCertificate({
    publicKey: signer.publicKey.export({ format: "der", type: "spki" }),
    subjectAltName: subject,
    extensions: [{ oid: "1.3.6.1.4.1.57264.1.1", value: issuer, legacy: true }],
  });
  const signature = sign("sha256", content, signer.privateKey);
  const digest = createHash("sha256").update(content).digest();
  const pem = `-----BEGIN CERTIFICATE-----\n${certificate.toString("base64").replace(/(.{64})/g, "$1\n")}\n-----END CERTIFICATE-----\n`;
  const entries: Record<string, LogEntry> = await log.log({
    apiVersion: "0.0.1",
    kind: "hashedrekord",
    spec: {
      data: { hash: { algorithm: "sha256", value: digest.toString("hex") } },
      signature: { content: signature.toString("base64"), publicKey: { content: Buffer.from(pem).toString("base64") } },
    },
  });
  const entry = Object.values(entries)[0]!;
  const proof = entry.verification!.inclusionProof!;
  const authorityKey = (key: Buffer) => ({
    hashAlgorithm: "SHA2_256",
    publicKey: {
      rawBytes: key.toString("base64"),
      keyDetails: "PKIX_ECDSA_P256_SHA_256",
      validFor: { start: "2020-01-01T00:00:00Z" },
    },
    logId: { keyId: createHash("sha256").update(key).digest("base64") },
  });
  return {
    bundle: {
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: {
        certificate: { rawBytes: certificate.toString("base64") },
        tlogEntries: [
          {
            logIndex: String(entry.logIndex),
            logId: { keyId: Buffer.from(entry.logID, "hex").toString("base64") },
            kindVersion: { kind: "hashedrekord", version: "0.0.1" },
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
      messageSignature: {
        messageDigest: { algorithm: "SHA2_256", digest: digest.toString("base64") },
        signature: signature.toString("base64"),
      },
    },
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
  };
}

function verdict(changed: Partial<KeylessIdentity> = {}, bytes = content, value: unknown = bundle): string | undefined {
  return verifyKeyless(bytes, Buffer.from(JSON.stringify(value)), { ...by, ...changed });
}

test("a bundle by that identity over that file is accepted without a network", () => {
  expect(verdict()).toBeUndefined();
});

test("another file, identity, issuer and authority are refused", async () => {
  expect(verdict({}, Buffer.from("another\n"))).toBeDefined();
  expect(verdict({ identity: "https://example.com/acme/mvm" })).toMatch(/identity/);
  expect(verdict({ identity: identity.replace("example.com", "example-com") })).toMatch(/identity/);
  expect(verdict({ identity: ".*" })).toMatch(/identity/);
  expect(verdict({ issuer: "https://other.example.com" })).toMatch(/issuer/);
  expect(verdict({ trustedRoot: (await signedBy(identity)).trustedRoot })).toBeDefined();
});

test("a bundle without a log entry, without a certificate, or of another kind is refused", () => {
  const material = bundle.verificationMaterial;
  expect(verdict({}, content, { ...bundle, verificationMaterial: { ...material, tlogEntries: [] } })).toBeDefined();
  expect(
    verdict({}, content, { ...bundle, verificationMaterial: { tlogEntries: material.tlogEntries } }),
  ).toBeDefined();
  const { messageSignature: _gone, ...rest } = bundle;
  const statement = Buffer.from("{}").toString("base64");
  const envelope = {
    payload: statement,
    payloadType: "application/vnd.in-toto+json",
    signatures: [{ sig: "AA==", keyid: "" }],
  };
  expect(verdict({}, content, { ...rest, dsseEnvelope: envelope })).toMatch(/attestation/);
  expect(verdict({}, content, {})).toBeDefined();
});
