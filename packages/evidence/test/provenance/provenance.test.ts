import { execFileSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { envelopeText, payloadType, signStatement } from "../../src/envelope/envelope.js";
import { preAuthEncoding } from "../../src/envelope/pae.js";
import { openSigningKey, type SigningKey } from "../../src/keys/key-files.js";
import { provenanceStatement } from "../../src/provenance/statement.js";
import { maxProvenanceBytes, verifyProvenance } from "../../src/provenance/verify.js";
import { verifyReceipt } from "../../src/receipt/verify.js";
import { statement as receiptStatement } from "../fixture/receipt.js";
import { Scene } from "../fixture/scene.js";

const image = { sha256: "ab".repeat(32), sbomSha256: "cd".repeat(32) };
const statement = (sha256 = image.sha256) =>
  provenanceStatement({
    ...{ name: "app", sha256, sbom: { sha256: image.sbomSha256, mediaType: "application/json" }, kind: "build" },
    ...{
      parameters: { steps: [] },
      internal: {},
      dependencies: [],
      version: "1.2.3",
      finishedAt: "2026-01-01T00:00:00Z",
    },
  });
const newKey = (): SigningKey => openSigningKey(new Scene().layout.keys, "receipt");
const publicOf = ({ key }: SigningKey) => createPublicKey(key);
const signed = (key: SigningKey, of: object = statement()): Buffer =>
  Buffer.from(envelopeText(signStatement(of as ReturnType<typeof statement>, key)));

it("a statement verifies against the image, its bill of materials and the key, and has SLSA's fields", () => {
  const key = newKey();
  const verdict = verifyProvenance(signed(key), [publicOf(key)], image);
  expect(verdict).toEqual({ ok: true, key_id: key.id, statement: statement() });
  expect(statement()).toMatchObject({
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "https://mvm.dev/image/build/v1",
        externalParameters: {},
        resolvedDependencies: [],
      },
      runDetails: { builder: { id: "https://mvm.dev/host/v1" }, byproducts: [{ name: "sbom" }] },
    },
  });
});

it("anything else is refused, and the reason is named", () => {
  const key = newKey();
  const trusted = [publicOf(key)];
  const whole = signed(key);
  const reason = (bytes: Buffer, keys = trusted, at = image) => {
    const verdict = verifyProvenance(bytes, keys, at);
    return verdict.ok ? "ok" : verdict.reason;
  };
  expect(reason(whole, trusted, { ...image, sha256: "00".repeat(32) })).toBe("image_mismatch");
  expect(reason(whole, trusted, { ...image, sbomSha256: "00".repeat(32) })).toBe("sbom_mismatch");
  expect(reason(whole, [publicOf(newKey())])).toBe("unknown_key");
  expect(reason(whole, [])).toBe("unknown_key");
  expect(reason(Buffer.concat([whole, Buffer.from(" ")]))).toBe("malformed");
  expect(reason(Buffer.alloc(maxProvenanceBytes + 1, 32))).toBe("too_large");
  expect(reason(signed(key, receiptStatement()))).toBe("not_provenance");
  expect(reason(signed(key, { ...statement(), subject: [] }))).toBe("image_mismatch");
  expect(reason(signed(key, { ...statement(), subject: [...statement().subject, ...statement().subject] }))).toBe(
    "image_mismatch",
  );
  expect(reason(signed(key, { ...statement(), predicate: {} }))).toBe("sbom_mismatch");
  expect(reason(signed(key, { ...statement(), predicate: { runDetails: { byproducts: "sbom" } } }))).toBe(
    "sbom_mismatch",
  );
  expect(reason(signed(key, { ...statement(), _type: "x" }))).toBe("not_provenance");
  const other = JSON.parse(signed(key, statement("00".repeat(32))).toString()) as object;
  const swapped = { ...other, signatures: (JSON.parse(whole.toString()) as { signatures: object }).signatures };
  expect(reason(Buffer.from(JSON.stringify(swapped)))).toBe("bad_signature");
  expect(verifyReceipt(whole, trusted)).toMatchObject({ ok: false, reason: "not_a_receipt" });
});

it("no edit of any byte passes", () => {
  const key = newKey();
  const trusted = [publicOf(key)];
  const whole = signed(key);
  for (let at = 0; at < whole.byteLength; at++) {
    for (const mask of [0x01, 0x20, 0x80]) {
      const edited = Buffer.from(whole);
      edited[at] = edited[at]! ^ mask;
      expect(verifyProvenance(edited, trusted, image).ok, `byte ${at}`).toBe(false);
    }
  }
});

it("OpenSSL says the same of the signature, with nothing of this project", () => {
  const scene = new Scene();
  const key = openSigningKey(scene.layout.keys, "receipt");
  const envelope = JSON.parse(signed(key).toString()) as { payload: string; signatures: { sig: string }[] };
  const directory = scene.layout.keys;
  const verdict = (payload: Buffer): string => {
    writeFileSync(join(directory, "pae"), preAuthEncoding(payloadType, payload));
    writeFileSync(join(directory, "sig"), Buffer.from(envelope.signatures[0]!.sig, "base64"));
    const args = ["pkeyutl", "-verify", "-pubin", "-inkey", "receipt.pub", "-rawin", "-in", "pae", "-sigfile", "sig"];
    try {
      return execFileSync("openssl", args, { cwd: directory, encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      return String((error as { stdout: unknown }).stdout);
    }
  };
  const payload = Buffer.from(envelope.payload, "base64");
  expect(verdict(payload)).toContain("Verified Successfully");
  expect(verdict(Buffer.concat([payload, Buffer.from(" ")]))).toContain("Failure");
});
