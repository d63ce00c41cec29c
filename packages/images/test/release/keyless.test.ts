import { beforeAll, expect, test } from "vitest";
import { verifyKeyless, type KeylessIdentity } from "../../src/release/keyless.js";
import { type FileBundle, issuer, mockSigstore } from "./mock-sigstore.js";

const content = Buffer.from("a release\n");
const identity = "https://example.com/acme/mvm/.github/workflows/release.yml@refs/tags/v1";
let bundle: FileBundle;
let by: KeylessIdentity;

beforeAll(async () => {
  const sigstore = await mockSigstore();
  ({ bundle } = await sigstore.signFile(content, identity));
  by = { identity, issuer, trustedRoot: sigstore.trustedRoot };
});

function verdict(changed: Partial<KeylessIdentity> = {}, bytes = content, value: unknown = bundle): string | undefined {
  const found = verifyKeyless(bytes, Buffer.from(JSON.stringify(value)), { ...by, ...changed });
  if (found.ok) expect(found.identity).toBe(identity);
  return found.ok ? undefined : found.reason;
}

test("a bundle by that identity over that file is accepted without a network", () => {
  expect(verdict()).toBeUndefined();
  const workflow = "https://example.com/acme/mvm/.github/workflows/release.yml@refs/tags/";
  expect(verdict({ identity: workflow, isPrefix: true })).toBeUndefined();
});

test("another file, identity, issuer and authority are refused", async () => {
  expect(verdict({}, Buffer.from("another\n"))).toBeDefined();
  expect(verdict({ identity: "https://example.com/acme/mvm" })).toMatch(/identity/);
  expect(verdict({ identity: identity.replace("example.com", "example-com") })).toMatch(/identity/);
  expect(verdict({ identity: ".*" })).toMatch(/identity/);
  expect(verdict({ identity: ".*", isPrefix: true })).toMatch(/identity/);
  expect(verdict({ identity: "example.com/acme", isPrefix: true })).toMatch(/identity/);
  expect(verdict({ issuer: "https://other.example.com" })).toMatch(/issuer/);
  expect(verdict({ trustedRoot: (await mockSigstore()).trustedRoot })).toBeDefined();
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
