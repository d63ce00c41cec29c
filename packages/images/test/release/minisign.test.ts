import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { formatPublicKey, parsePublicKey, signMinisign, verifyMinisign } from "../../src/release/minisign.js";

/** Made with minisign 0.11: its own key, and both kinds of its signatures over one content. */
const content = Buffer.from("a release\n");
const publicKey = `untrusted comment: minisign public key 6319CB78915104CF
RWTPBFGReMsZY5plja3JQyR9Tom3aU4TTy4/OEzbuP6hDrMVuIxkcY68
`;
const prehashed = `untrusted comment: signature from minisign secret key
RUTPBFGReMsZYxrIQIN04YLRra4nnfZb2X1CNZ9h4ej/vCKvbWGv5tbrfKFz6Vcqe+ZpesLfaTHLKHpQW6aH6VJKTtF3heXB0gs=
trusted comment: mvm 1.0
C8aOAziamuCNVBeH41GFQ7VAJL9SUdAvevuCC2/0xdbdXcK8W/zGcw6TsVm9yoMbqquA9JIn4zX2eHXmJtFLCQ==
`;
const legacy = `untrusted comment: signature from minisign secret key
RWTPBFGReMsZY7XQvltjT8/x/RM8k/B8iepRrl6ThP1iH0UrlVztPMjoSXJ7e9UNsqLOU/G1ODcqXDQgT7mLDr9CUY0sdNcmqwA=
trusted comment: legacy
ehKOifINGV1YD4SXdO3R1wzx1gTJfBDLo2dhbPDzqh7YxWpbrmWSPHWrJLlcs35pHODxXCCI1+uy8TqBf/4EBA==
`;
const key = parsePublicKey(publicKey)!;

function ownKey(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
}

test("reads minisign's key as minisign names it, and writes it back the same", () => {
  expect(key.id).toBe("6319CB78915104CF");
  expect(formatPublicKey(key)).toBe(publicKey);
  expect(parsePublicKey(publicKey.split("\n")[1]!)?.id).toBe(key.id);
  expect(parsePublicKey("RWTPBFGReMsZY5plja3JQyR9")).toBeUndefined();
});

test("verifies both kinds of signatures that minisign made", () => {
  expect(verifyMinisign(content, prehashed, key)).toEqual({ ok: true, comment: "mvm 1.0" });
  expect(verifyMinisign(content, legacy, key)).toEqual({ ok: true, comment: "legacy" });
});

test("what it signs it verifies, with the key it gives", () => {
  const { text, key: signer } = signMinisign(content, ownKey(), "mvm 2");
  expect(verifyMinisign(content, text, parsePublicKey(formatPublicKey(signer))!)).toEqual({
    ok: true,
    comment: "mvm 2",
  });
});

test("another file, another key and another comment are refused, each by its reason", () => {
  const refused = (bytes: Uint8Array, text: string, by = key) => {
    const verdict = verifyMinisign(bytes, text, by);
    return verdict.ok ? "accepted" : verdict.reason;
  };
  expect(refused(Buffer.from("another\n"), prehashed)).toContain("not of this file");
  expect(refused(content, prehashed.replace("mvm 1.0", "mvm 9.0"))).toContain("comment was changed");
  const other = signMinisign(content, ownKey(), "");
  expect(refused(content, prehashed, other.key)).toContain("signed by key 6319CB78915104CF");
  expect(refused(content, other.text)).toContain("not by 6319CB78915104CF");
});

test("no changed byte of a signature is accepted, but in the comment that nobody signed", () => {
  const untrusted = prehashed.indexOf("\n");
  const accepted: number[] = [];
  for (let at = "untrusted comment:".length; at < prehashed.length; at++) {
    for (const bit of [1, 2, 16]) {
      const changed = Buffer.from(prehashed);
      changed[at] = changed[at]! ^ bit;
      if (verifyMinisign(content, changed.toString("utf8"), key).ok && at >= untrusted) accepted.push(at);
    }
  }
  expect(accepted).toEqual([]);
});
