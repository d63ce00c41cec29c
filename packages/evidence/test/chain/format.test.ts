import { createHash, createPublicKey, verify } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { actor, notes, Scene, tenant } from "../fixture/scene.js";

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

describe("the chain's format", () => {
  it("is what the documentation says, read by nothing but a JSON parser and a hash", async () => {
    const scene = new Scene();
    const ids = await scene.write([
      { event: "run.begin", runId: "run_01m832z3wcghz4wy9gfr86xdmm", data: { argv_len: 2 } },
      ...notes(3),
    ]);
    let prev = "0".repeat(64);
    scene.lines().forEach((line, at) => {
      const entry = JSON.parse(line);
      expect(Object.keys(entry)).toEqual("actor data event id prev run_id sandbox_id seq tenant time v".split(" "));
      expect(entry).toMatchObject({ v: 1, seq: at + 1, tenant, prev, actor, sandbox_id: null });
      if (at < ids.length) expect(entry.id).toBe(ids[at]);
      prev = hash(line);
    });
    const { sig, ...head } = JSON.parse(readFileSync(scene.head, "utf8"));
    expect(head).toMatchObject({ v: 1, tenant, size: 4, head: prev });
    const key = createPublicKey(readFileSync(join(scene.layout.keys, "audit.pub"), "utf8"));
    const signed = JSON.stringify(Object.fromEntries(Object.entries(head).sort()));
    expect(verify(null, Buffer.from(signed), key, Buffer.from(sig, "base64"))).toBe(true);
    expect(head.key_id).toBe(
      createHash("sha256")
        .update(key.export({ type: "spki", format: "der" }))
        .digest("hex"),
    );
  });

  it("keeps keys and logs to their owner, and public keys readable", async () => {
    const scene = new Scene();
    await scene.write(notes(1));
    const mode = (path: string): number => statSync(path).mode & 0o777;
    expect(mode(scene.log)).toBe(0o600);
    expect(mode(scene.head)).toBe(0o600);
    expect(mode(join(scene.layout.keys, "audit.key"))).toBe(0o600);
    expect(mode(join(scene.layout.keys, "audit.pub"))).toBe(0o644);
    expect(mode(scene.layout.keys)).toBe(0o700);
    expect(readdirSync(scene.directory).sort()).toEqual(["head.json", "log.jsonl", "reserve"]);
  });

  it("A-12 keeps one line an entry, whatever text it holds", async () => {
    const scene = new Scene();
    await scene.write([{ data: { label: "a\nb\u0000c\u001b[31m\u2028\r\n{}" } }]);
    expect(scene.lines()).toHaveLength(1);
    expect(readFileSync(scene.log).some((byte) => byte < 0x20 && byte !== 0x0a)).toBe(false);
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 1 });
  });

  it.each([
    ["an event that is no name", { event: "Run Begin" }],
    ["a run that is no run", { runId: "sbx_01m832z3wcghz4wy9gfr86xdmm" }],
    ["a value that is no JSON", { data: { n: NaN } }],
    ["a lone surrogate", { data: { n: "\ud800" } }],
    ["a key __proto__", { data: JSON.parse('{"__proto__":{}}') }],
    ["more bytes than an entry may have", { data: { n: "x".repeat(70_000) } }],
  ])("A-11 refuses %s, and goes on", async (_what, facts) => {
    const scene = new Scene();
    const log = await scene.open();
    const before = log.append(tenant, { event: "test.note", actor });
    await expect(log.append(tenant, { event: "test.note", actor, ...facts })).rejects.toThrow(TypeError);
    await before;
    await log.append(tenant, { event: "test.note", actor });
    await log.close();
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 2 });
  });

  it.each(["", ".", "..", "../x", "a/b", "/etc", "a\0b", ".lock", "x".repeat(64), "ä", "a b", "-a"])(
    "refuses %j as a tenant: it would be a path",
    async (name) => {
      const scene = new Scene();
      const log = await scene.open();
      await expect(log.append(name, { event: "test.note", actor })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await log.close();
      expect(readdirSync(scene.home).sort()).toEqual(["audit", "keys"]);
      expect(readdirSync(scene.layout.audit)).toEqual([".lock"]);
    },
  );

  it("keeps tenants in chains of their own: one that is damaged refuses alone", async () => {
    const scene = new Scene();
    await scene.write(notes(2));
    const other = await scene.open();
    await other.append("other", { event: "test.note", actor });
    await other.close();
    const { truncateSync } = await import("node:fs");
    truncateSync(scene.log, 100);
    const log = await scene.open();
    await expect(log.append(tenant, { event: "test.note", actor })).rejects.toMatchObject({
      code: "AUDIT_UNAVAILABLE",
    });
    expect(await log.problem(tenant)).toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    expect(await log.append("other", { event: "test.note", actor })).toMatchObject({ seq: 2 });
    await log.close();
  });
});
