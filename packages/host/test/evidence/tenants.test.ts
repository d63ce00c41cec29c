import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testDaemon } from "../fixture/daemon.js";
import { RecordedHome } from "./scene.js";

describe("tenants", () => {
  it("what is done for a tenant is in its chain and its receipts, from the request to the end, and in no other", async () => {
    const { api, home } = await testDaemon();
    for (const tenant of ["acme", undefined]) {
      const name = `box-${tenant ?? "none"}`;
      await api.lines("POST", "/v1/sandboxes", { name, ...(tenant && { tenant }), detach: true, ttl_seconds: 600 });
      const at = `/v1/sandboxes/${name}`;
      expect((await api.json("GET", at)).body.tenant).toBe(tenant ?? "local");
      await api.lines("POST", `${at}/processes`, { shell: "echo out" });
      await api.json("DELETE", at);
    }
    const chains = ["acme", "local"].map((tenant) => new RecordedHome(home, tenant));
    const ids = chains.map((chain) => new Set(chain.entries().map(({ sandbox_id: id }) => id)));
    for (const [at, chain] of chains.entries()) {
      const [own, other] = [ids[at]!, ids[1 - at]!];
      const calls = ["sandbox.create.begin", "run.begin", "run.end", "sandbox.destroy.begin", "sandbox.ended"];
      expect(chain.events()).toEqual(expect.arrayContaining(calls));
      expect([...own].filter((id) => id !== null && other.has(id))).toEqual([]);
      expect(chain.entries().every((entry) => entry.tenant === chain.tenant)).toBe(true);
      expect(await chain.verify()).toMatchObject({ ok: true, open: 0 });
      expect(chain.receiptPaths()).toHaveLength(1);
      expect(chain.receipt(chain.receiptPaths()[0]!).predicate).toMatchObject({ tenant: chain.tenant });
    }
  });

  it("a run that is refused is in the chain of who asked for it", async () => {
    const { api, home } = await testDaemon();
    const sandbox = { tenant: "acme", profile: "restrictive", env: { A: "1" } };
    const { body } = await api.json("POST", "/v1/runs", { sandbox, command: { argv: ["true"] } });
    const acme = new RecordedHome(home, "acme");
    expect(acme.find("run.denied")).toMatchObject({ run_id: body.error.run_id });
    expect(acme.receipt(acme.receiptPaths()[0]!).predicate).toMatchObject({ tenant: "acme" });
  });

  it("a tenant is part of the plan: two of them have two hashes", async () => {
    const { api } = await testDaemon();
    const check = async (tenant?: string) =>
      (await api.json("POST", "/v1/policy/check", tenant === undefined ? {} : { tenant })).body;
    const [acme, none, local] = [await check("acme"), await check(), await check("local")];
    expect(acme.plan.tenant).toBe("acme");
    expect(none.plan_sha256).toBe(local.plan_sha256);
    expect(acme.plan_sha256).not.toBe(local.plan_sha256);
  });

  it.each(["", "../local", "a/b", ".", "a".repeat(64), "a b", "\u0000"])(
    "%j names none, and nothing is made for it",
    async (tenant) => {
      const { api, home } = await testDaemon();
      const { status, body } = await api.json("POST", "/v1/sandboxes", { tenant });
      expect(status).toBe(400);
      expect(body.error.code).toBe("INVALID_ARGUMENT");
      const chains = existsSync(join(home, "audit")) ? readdirSync(join(home, "audit")) : [];
      expect(chains.filter((name) => name !== "local" && !name.startsWith("."))).toEqual([]);
    },
  );
});
