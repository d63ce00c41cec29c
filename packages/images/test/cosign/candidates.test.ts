import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { simpleSigning } from "../../src/cosign/simple-signing.js";
import { signedStatement } from "../../src/cosign/statement.js";
import { parseTrustedKey } from "../../src/cosign/trust.js";
import { bundleWithKey, cosignKey, signedWithKey, statement } from "./sign-image.js";

/** Written by cosign 3.1.3: `sign --key … --tlog-upload=false` with and without `--new-bundle-format`. */
const recorded = JSON.parse(readFileSync(new URL("recorded.json", import.meta.url), "utf8")) as {
  readonly digest: string;
  readonly key: string;
  readonly bundle: string;
  readonly payload: string;
  readonly annotations: Record<string, string>;
};
const ours = cosignKey();
const digest = `sha256:${"ab".repeat(32)}`;
const trust = { keys: [ours.trusted], identities: [] };
const byUs = { key: ours.trusted.id, identity: null, issuer: null };

it("what cosign itself has signed counts, in either form, for its key and digest alone", () => {
  const found = [
    signedStatement("here", Buffer.from(recorded.bundle)),
    simpleSigning("here", Buffer.from(recorded.payload), recorded.annotations),
  ];
  const theirs = parseTrustedKey(recorded.key);
  for (const candidate of found) {
    const both = { keys: [ours.trusted, theirs], identities: [] };
    expect(candidate.judge(recorded.digest, both)).toEqual({ key: theirs.id, identity: null, issuer: null });
    expect(candidate.judge(digest, both)).toBe(`it signs ${recorded.digest}`);
    expect(candidate.judge(recorded.digest, trust)).toMatch(/by none of those/);
  }
  // The name that bundles themselves have for a key.
  const hint = /"hint":"([^"]+)"/.exec(recorded.bundle)?.[1] ?? "";
  expect(`sha256:${Buffer.from(hint, "base64").toString("hex")}`).toBe(theirs.id);
});

it("any bit of what is signed, or of its signature, that is changed is noticed", () => {
  const { payload, annotations } = signedWithKey(ours.secret, digest);
  const name = "dev.cosignproject.cosign/signature";
  const signature = Buffer.from(annotations[name]!, "base64");
  const bundle = bundleWithKey(ours.secret, statement(digest)) as {
    dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string }[] };
  };
  const { dsseEnvelope: envelope } = bundle;
  const signed = Buffer.from(envelope.payload, "base64");
  const sig = Buffer.from(envelope.signatures[0]!.sig, "base64");
  const old = (content: Buffer, of: Buffer) =>
    simpleSigning("here", content, { [name]: of.toString("base64") }).judge(digest, trust);
  const recent = (content: Buffer, of: Buffer, payloadType = envelope.payloadType) => {
    const signatures = [{ sig: of.toString("base64") }];
    const changed = { ...bundle, dsseEnvelope: { payloadType, payload: content.toString("base64"), signatures } };
    return signedStatement("here", Buffer.from(JSON.stringify(changed))).judge(digest, trust);
  };
  expect([old(payload, signature), recent(signed, sig)]).toEqual([byUs, byUs]);
  expect(recent(signed, sig, "application/vnd.in-toto+jsom")).toMatch(/by none of those/);
  const flip = (bytes: Buffer, at: number): Buffer => {
    const out = Buffer.from(bytes);
    const bit = at % (bytes.length * 8);
    out[bit >> 3]! ^= 1 << (bit & 7);
    return out;
  };
  fc.assert(
    fc.property(fc.nat(), (at) => {
      expect(old(flip(payload, at), signature)).toBeTypeOf("string");
      expect(old(payload, flip(signature, at))).toBeTypeOf("string");
      expect(recent(flip(signed, at), sig)).toBeTypeOf("string");
      expect(recent(signed, flip(sig, at))).toBeTypeOf("string");
    }),
    { numRuns: 200 },
  );
});

it("whatever a registry sends in place of a signature is judged, and not for it", () => {
  const identities = [{ identity: "a", issuer: "b", trustedRoot: "{}" }];
  fc.assert(
    fc.property(fc.json(), fc.dictionary(fc.string(), fc.string()), (text, annotations) => {
      const some = { "dev.cosignproject.cosign/signature": "AA==", "dev.sigstore.cosign/certificate": text };
      for (const value of [
        text,
        `{"dsseEnvelope":${text}}`,
        `{"dsseEnvelope":{"payload":"","signatures":[${text}]}}`,
      ]) {
        const bytes = Buffer.from(value);
        for (const who of [trust, { ...trust, identities }]) {
          expect(signedStatement("here", bytes).judge(digest, who)).toBeTypeOf("string");
          expect(simpleSigning("here", bytes, { ...annotations, ...some }).judge(digest, who)).toBeTypeOf("string");
        }
      }
    }),
  );
});

it("a key that is trusted is a public one of P-256", () => {
  expect(parseTrustedKey(ours.pem).id).toMatch(/^sha256:[0-9a-f]{64}$/);
  const secret = ours.secret.export({ format: "pem", type: "pkcs8" }).toString();
  for (const wrong of ["", "key", secret]) {
    expect(() => parseTrustedKey(wrong)).toThrow("it is not a public key of cosign");
  }
});
