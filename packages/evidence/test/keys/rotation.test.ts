import { createPublicKey } from "node:crypto";
import { chmodSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { headText, parseHead, signHead } from "../../src/chain/head.js";
import { openSigningKey, readPublicKeys } from "../../src/keys/key-files.js";
import type { Json } from "../../src/canonical/json.js";
import { rotateAndRecord } from "../../src/keys/rotate.js";
import { endorsedKey, rotateKey } from "../../src/keys/rotation.js";
import { envelopeText, signStatement } from "../../src/envelope/envelope.js";
import { verifyReceipt } from "../../src/receipt/verify.js";
import { verifyChain } from "../../src/verify/chain.js";
import { statement } from "../fixture/receipt.js";
import { actor, notes, Scene, tenant } from "../fixture/scene.js";

describe("A-15 a key that is replaced", () => {
  it("vouches for the next: the old pin and the new one both verify, a stranger's does not", async () => {
    const scene = new Scene();
    await scene.write(notes(2));
    const { keys } = scene.layout;
    const pinned = readPublicKeys(keys, "audit").current!;
    const old = openSigningKey(keys, "audit");
    const { from, to } = rotateKey(scene.home, "audit");
    expect(from).toBe(old.id);
    await scene.write(notes(1));
    expect(JSON.parse(scene.lines()[2] ?? "")).toMatchObject({ event: "key.rotated", data: { from, to } });
    rotateKey(scene.home, "audit");
    await scene.write(notes(1));
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 6 });
    expect(await verifyChain({ directory: scene.directory, tenant, key: pinned })).toMatchObject({ ok: true });
    expect(readPublicKeys(keys, "audit").old).toHaveLength(2);
    const stranger = readPublicKeys(openStranger(), "audit").current!;
    const { directory } = scene;
    expect(await verifyChain({ directory, tenant, key: stranger })).toMatchObject({
      ok: false,
      reason: "head_signature",
    });
    // Whoever has the old private key cannot sign any more.
    const { sig: _sig, v: _v, ...facts } = parseHead(readFileSync(scene.head, "utf8"));
    writeFileSync(scene.head, headText(signHead({ ...facts, key_id: old.id }, old.key)));
    expect(await verifyChain({ directory, tenant, key: pinned })).toMatchObject({
      ok: false,
      reason: "head_signature",
    });
    expect(await scene.verify()).toMatchObject({ ok: false, reason: "head_signature" });
  });

  it("of receipts is replaced with a signed entry; what either key signed verifies", async () => {
    const scene = new Scene();
    await scene.write(notes(1));
    const { keys } = scene.layout;
    const before = openSigningKey(keys, "receipt");
    const signed = Buffer.from(envelopeText(signStatement(statement(), before)));
    const { from, to } = await rotateAndRecord(scene.home, "receipt", actor);
    const after = openSigningKey(keys, "receipt");
    expect([from, to]).toEqual([before.id, after.id]);
    const entry = JSON.parse(scene.lines().at(-1) ?? "") as { event: string; data: Record<string, Json> };
    expect(entry).toMatchObject({ event: "key.rotated", data: { purpose: "receipt", from, to } });
    expect(endorsedKey(entry.data, createPublicKey(before.key))?.equals(createPublicKey(after.key))).toBe(true);
    const { current, old } = readPublicKeys(keys, "receipt");
    expect(verifyReceipt(signed, [current!, ...old]).ok).toBe(true);
    expect(verifyReceipt(signed, [current!]).ok).toBe(false);
    expect(await scene.verify()).toMatchObject({ ok: true });
    // The chain's own key is another, and goes on.
    await rotateAndRecord(scene.home, "audit", actor);
    expect(JSON.parse(scene.lines().at(-1) ?? "")).toMatchObject({ event: "key.rotated", data: { purpose: "audit" } });
    expect(await scene.verify()).toMatchObject({ ok: true });
  });

  it("is not replaced while a writer uses it", async () => {
    const scene = new Scene();
    const log = await scene.open();
    expect(() => rotateKey(scene.home, "audit")).toThrow(expect.objectContaining({ code: "AUDIT_UNAVAILABLE" }));
    for (const purpose of ["audit", "receipt"] as const)
      await expect(rotateAndRecord(scene.home, purpose, actor)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    await log.append(tenant, { event: "test.note", actor });
    await log.close();
    expect(await scene.verify()).toMatchObject({ ok: true });
  });

  it("is refused when others can read it, when it is a link, and when it is damaged", async () => {
    const scene = new Scene();
    await scene.write(notes(1));
    const path = join(scene.layout.keys, "audit.key");
    const pem = readFileSync(path);
    chmodSync(path, 0o644);
    await expect(scene.open()).rejects.toMatchObject({ code: "VM_CONFIG" });
    writeFileSync(path, "not a key");
    chmodSync(path, 0o600);
    await expect(scene.open()).rejects.toMatchObject({ code: "VM_CONFIG" });
    rmSync(path);
    writeFileSync(`${path}.real`, pem, { mode: 0o600 });
    symlinkSync(`${path}.real`, path);
    await expect(scene.open()).rejects.toMatchObject({ code: "VM_CONFIG" });
    rmSync(path);
    writeFileSync(path, pem, { mode: 0o600 });
    await scene.write(notes(1));
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 2 });
  });
});

function openStranger(): string {
  const stranger = new Scene();
  openSigningKey(stranger.layout.keys, "audit");
  return stranger.layout.keys;
}
