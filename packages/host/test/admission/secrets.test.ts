import type { CreateRequest, NetworkRule } from "@mvm/protocol";
import { PolicyDenied } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { planOf } from "../../src/admission/plan.js";
import { bindSecrets, type SecretBinding } from "../../src/admission/secrets.js";
import { testDaemon } from "../fixture/daemon.js";

const stored: Record<string, SecretBinding> = {
  one: { hosts: ["api.example.com"], header: null },
  wild: { hosts: ["*.example.com"], header: "X-Key" },
  nowhere: { hosts: [], header: null },
};
const https = (host: string): NetworkRule => ({ host, port: 443, protocol: "https" });
const bind = (request: CreateRequest) => bindSecrets(planOf(request), (name) => stored[name]).secrets;
const allow = (...hosts: string[]) => ({ default: "deny" as const, allow: hosts.map(https) });
const rule = (request: CreateRequest): unknown => {
  try {
    bind(request);
  } catch (error) {
    expect(error).toBeInstanceOf(PolicyDenied);
    expect(error).toMatchObject({ code: "SECRET_DENIED", boundary: "secret" });
    return (error as PolicyDenied).rule;
  }
  return expect.fail("was bound");
};

test("a secret goes to the hosts it is stored with and that the sandbox may reach, and to no others", () => {
  const network = allow("api.example.com", "other.example", "*.sub.example.com");
  expect(bind({ network, secrets: { A: { secret: "one" } } })).toEqual({
    A: { secret: "one", hosts: ["api.example.com"] },
  });
  expect(bind({ network, secrets: { A: { secret: "wild", hosts: ["API.example.com", "other.example"] } } })).toEqual({
    A: { secret: "wild", hosts: ["api.example.com"], header: "X-Key" },
  });
  expect(bind({ network, secrets: { A: { secret: "wild" } } })["A"]?.hosts).toEqual(["*.example.com"]);
});

test.each<[string, CreateRequest, string]>([
  ["unknown", { secrets: { A: { secret: "none" } } }, "secret.unknown"],
  ["bound to no host", { network: allow("a.example"), secrets: { A: { secret: "nowhere" } } }, "secret.unbound"],
  ["for a sandbox without network", { secrets: { A: { secret: "one" } } }, "secret.unbound"],
  [
    "for a host that is not allowed",
    { network: allow("b.example.com"), secrets: { A: { secret: "one" } } },
    "secret.unbound",
  ],
  [
    "for a host it is not stored with",
    { network: allow("evil.example"), secrets: { A: { secret: "one", hosts: ["evil.example"] } } },
    "secret.unbound",
  ],
  [
    "for a host without TLS",
    {
      network: { default: "deny", allow: [{ host: "api.example.com", port: 80, protocol: "http" }] },
      secrets: { A: { secret: "one" } },
    },
    "secret.unbound",
  ],
  [
    "for the apex of its wildcard",
    { network: allow("example.com"), secrets: { A: { secret: "wild" } } },
    "secret.unbound",
  ],
  [
    "for another header",
    { network: allow("a.example.com"), secrets: { A: { secret: "wild", header: "Cookie" } } },
    "secret.header",
  ],
  [
    "beside a plaintext value",
    { network: allow("api.example.com"), env: { A: "x" }, secrets: { A: { secret: "one" } } },
    "secret.variable",
  ],
])("K-20: a secret that is %s is refused", (_what, request, expected) => {
  expect(rule(request)).toBe(expected);
});

test("the API stores, lists and removes, and gives no value back; a create names the rule", async () => {
  const { api } = await testDaemon();
  const value = "sk-geheim-123";
  const put = await api.json("PUT", "/v1/secrets/key", { value, hosts: ["api.example.com"] });
  expect(put.body).toMatchObject({ name: "key", hosts: ["api.example.com"], header: null });
  const listed = await api.json("GET", "/v1/secrets");
  expect(listed.body.secrets).toHaveLength(1);
  const check = async (secrets: CreateRequest["secrets"]) =>
    (await api.json("POST", "/v1/policy/check", { network: allow("api.example.com"), secrets })).body;
  expect(await check({ KEY: { secret: "other" } })).toMatchObject({
    denied: { rule: "secret.unknown", boundary: "secret" },
  });
  expect(await check({ KEY: { secret: "key" } })).toMatchObject({
    admitted: true,
    plan: { secrets: [{ env: "KEY", secret: "key", hosts: ["api.example.com"], header: null }] },
  });
  const bad = await api.json("PUT", "/v1/secrets/key", { value: `${value}\n` });
  const wrong = await api.json("PUT", "/v1/secrets/key", { value: 7, valeu: value });
  expect([bad.status, wrong.status]).toEqual([400, 400]);
  for (const { body } of [put, listed, bad, wrong]) expect(JSON.stringify(body)).not.toContain("geheim");
  expect((await api.json("POST", "/v1/secrets/rotate")).body).toEqual({ rotated: 1 });
  expect((await api.json("DELETE", "/v1/secrets/key")).body).toEqual({ removed: true });
  expect((await api.json("DELETE", "/v1/secrets/key")).body).toEqual({ removed: false });
});
