import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createPublicKey } from "node:crypto";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSigningKey, type SigningKey } from "../../src/keys/key-files.js";
import { argvDigest } from "../../src/receipt/argv-digest.js";
import { envelopeText, signStatement } from "../../src/envelope/envelope.js";
import { ReceiptFile } from "../../src/receipt/file.js";
import { receiptMatchesEntry, verifyReceipt } from "../../src/receipt/verify.js";
import type { Entry } from "../../src/chain/entry.js";
import { statement } from "../fixture/receipt.js";
import { Scene } from "../fixture/scene.js";

function keyOf(scene: Scene): SigningKey {
  return openSigningKey(scene.layout.keys, "receipt");
}

const publicOf = ({ key }: SigningKey) => createPublicKey(key);

describe("a receipt", () => {
  it("verifies with the public key alone, and says what was signed", () => {
    const key = keyOf(new Scene());
    const text = envelopeText(signStatement(statement(), key));
    const verdict = verifyReceipt(Buffer.from(text), [publicOf(key)]);
    expect(verdict).toEqual({ ok: true, key_id: key.id, statement: statement() });
    const envelope = JSON.parse(text);
    expect(envelope.payloadType).toBe("application/vnd.in-toto+json");
    expect(JSON.parse(Buffer.from(envelope.payload, "base64").toString())).toMatchObject({
      _type: "https://in-toto.io/Statement/v1",
      predicateType: "https://mvm.dev/receipt/v1",
      subject: [{ name: "stdout" }, { name: "stderr" }],
    });
  });

  it("E-01 E-08 is refused after any edit of any byte", () => {
    const key = keyOf(new Scene());
    const whole = Buffer.from(envelopeText(signStatement(statement(), key)));
    const trusted = [publicOf(key)];
    let tried = 0;
    for (let at = 0; at <= whole.byteLength; at++) {
      const [before, after] = [whole.subarray(0, at), whole.subarray(at + 1)];
      const edited = [0x01, 0x20, 0x80].map((mask) => Buffer.from([(whole[at] ?? 0) ^ mask]));
      const edits = [
        ...(at < whole.byteLength ? [...edited.map((byte) => [before, byte, after]), [before, after]] : []),
        ...["0", " ", "\n", "="].map((extra) => [before, Buffer.from(extra), whole.subarray(at)]),
      ];
      for (const parts of edits) {
        expect(verifyReceipt(Buffer.concat(parts), trusted).ok, `byte ${at}`).toBe(false);
        tried += 1;
      }
    }
    console.log(`edits of a receipt detected: ${tried} of ${tried}`);
  });

  it("E-02 is refused when another key signed it, wherever that key is named", () => {
    const [mine, other] = [keyOf(new Scene()), keyOf(new Scene())];
    const forged = signStatement(statement(), other);
    const [signature] = forged.signatures;
    const renamed = { ...forged, signatures: [{ keyid: mine.id, sig: signature?.sig ?? "" }] };
    const trusted = [publicOf(mine)];
    expect(verifyReceipt(Buffer.from(envelopeText(forged)), trusted)).toMatchObject({
      ok: false,
      reason: "unknown_key",
    });
    expect(verifyReceipt(Buffer.from(envelopeText(renamed)), trusted)).toMatchObject({
      ok: false,
      reason: "bad_signature",
    });
  });

  it("E-03 is refused with another receipt's signature, none, two, or one of another length", () => {
    const key = keyOf(new Scene());
    const [one, two] = [signStatement(statement(), key), signStatement(statement({ audit_seq: 8 }), key)];
    const sig = Buffer.from(one.signatures[0]?.sig ?? "", "base64");
    const withSig = (bytes: Uint8Array) => ({
      ...one,
      signatures: [{ keyid: key.id, sig: Buffer.from(bytes).toString("base64") }],
    });
    // The same point and S + L: the same equation, another text.
    const order = Buffer.from("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", "hex");
    const malleable = Buffer.from(sig);
    for (let at = 0, carry = 0; at < 32; at++) {
      const sum = (sig[32 + at] ?? 0) + (order[at] ?? 0) + carry;
      malleable[32 + at] = sum & 0xff;
      carry = sum >> 8;
    }
    const forgeries: object[] = [
      { ...one, signatures: two.signatures },
      { ...one, signatures: [] },
      { ...one, signatures: [...one.signatures, ...one.signatures] },
      { ...one, payloadType: "application/json" },
      withSig(sig.subarray(0, 63)),
      withSig(Buffer.concat([sig, Buffer.of(0)])),
      withSig(malleable),
      { ...one, signatures: [{ ...one.signatures[0], alg: "none" }] },
    ];
    for (const forgery of forgeries) {
      expect(verifyReceipt(Buffer.from(JSON.stringify(forgery)), [publicOf(key)]).ok).toBe(false);
    }
  });

  it("E-04 is refused with second keys, trailing bytes, a byte order mark, CRLF or a second document", () => {
    const key = keyOf(new Scene());
    const text = envelopeText(signStatement(statement(), key));
    const twice = text.replace('{"payload":', '{"payloadType":"application/vnd.in-toto+json","payload":');
    for (const other of [
      twice,
      `${text}x`,
      `${text}\n`,
      `${text}\r\n`,
      `\ufeff${text}`,
      `${text}${text}`,
      `[${text}]`,
      "",
    ]) {
      expect(verifyReceipt(Buffer.from(other), [publicOf(key)]).ok, JSON.stringify(other.slice(-20))).toBe(false);
    }
  });

  it("may have passed through a JSON library", () => {
    const key = keyOf(new Scene());
    const envelope = JSON.parse(envelopeText(signStatement(statement(), key)));
    const python = JSON.stringify(envelope).replaceAll('":', '": ').replaceAll('","', '", "');
    for (const text of [JSON.stringify(envelope), JSON.stringify(envelope, null, 2), python]) {
      expect(verifyReceipt(Buffer.from(text), [publicOf(key)]).ok).toBe(true);
    }
  });

  it("is refused when the key signed something else", () => {
    const key = keyOf(new Scene());
    const other = { ...statement(), predicateType: "https://example.com/v1" };
    const text = envelopeText(signStatement(other as never, key));
    expect(verifyReceipt(Buffer.from(text), [publicOf(key)])).toMatchObject({ ok: false, reason: "not_a_receipt" });
  });

  it("E-05 E-07 names its output and its entry, so that others do not fit", () => {
    const receipt = statement();
    const { run_id, audit_id: id, audit_seq: seq, tenant } = receipt.predicate;
    const entry = { v: 1, id, seq, tenant, run_id, event: "run.begin" } as Entry;
    expect(receiptMatchesEntry(receipt, entry)).toBe(true);
    for (const other of [{ seq: 8 }, { id: "evt_x" }, { tenant: "other" }, { run_id: null }]) {
      expect(receiptMatchesEntry(receipt, { ...entry, ...other } as Entry)).toBe(false);
    }
    expect(statement({}, "other").subject).not.toEqual(receipt.subject);
  });

  it("E-11 does not let arguments be guessed: their digest is keyed, and no two argvs share one", () => {
    const [a, b] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    expect(argvDigest(["ls"], a)).not.toBe(argvDigest(["ls"], b));
    const argvs = [["ab"], ["a", "b"], ["", "ab"], ["ab", ""], ["1:a"], ["a", "1:b"], []];
    expect(new Set(argvs.map((argv) => argvDigest(argv, a))).size).toBe(argvs.length);
  });

  it("E-14 is refused unread when it is too large", () => {
    expect(verifyReceipt(Buffer.alloc(1024 * 1024, 0x20), [])).toMatchObject({ ok: false, reason: "too_large" });
  });
});

describe("E-13 the file of a receipt", () => {
  it("is made before the run, private, and holds the receipt after it", () => {
    const scene = new Scene();
    const path = join(scene.home, "receipt.json");
    const file = ReceiptFile.create(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(() => ReceiptFile.create(path)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    file.write("{}");
    expect(readFileSync(path, "utf8")).toBe("{}");
  });

  it.each([
    ["a file", (path: string) => writeFileSync(path, "precious")],
    ["a directory", (path: string) => void mkdirSync(path)],
    ["a link to nothing", (path: string) => symlinkSync("/nonexistent/file", path)],
  ])("is never %s that is there already", (_what, make) => {
    const path = join(new Scene().home, "receipt.json");
    make(path);
    expect(() => ReceiptFile.create(path)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("cannot be in a directory that is not there", () => {
    expect(() => ReceiptFile.create("/nonexistent/receipt.json")).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});
