import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { NetworkPolicyDocument } from "@mvm/protocol";
import { expect, test } from "vitest";
import { testDaemon } from "../fixture/daemon.js";

const network = (host: string): NetworkPolicyDocument => ({
  ...{ default: "deny", allow: [{ host, port: 443, protocol: "https" }] },
});

test("a guest that cannot take connections fails the start as a network failure, and nothing is left", async () => {
  const { api, home } = await testDaemon();
  const failed = await api.json("POST", "/v1/sandboxes", { name: "a", network: network("api.test") });
  expect(failed.status).toBe(503);
  expect(failed.body.error).toMatchObject({ name: "VmNetworkError", code: "VM_NETWORK_FAILED", boundary: "network" });
  expect(readdirSync(join(home, "sandboxes"))).toEqual([]);
});

test("a live update is admitted like a create, and is what inspect shows", async () => {
  const { api } = await testDaemon();
  const strict = await api.stream("POST", "/v1/sandboxes", { name: "strict", profile: "restrictive" });
  const created = await strict.until("created");
  expect(created["sandbox"]).toMatchObject({ network: { default: "deny", allow: [] } });
  const put = (ref: string, body: unknown) => api.json("PUT", `/v1/sandboxes/${ref}/network`, body);
  expect((await put("strict", network("api.test"))).body.error).toMatchObject({
    ...{ name: "PolicyDenied", rule: "profile.restrictive.network" },
  });
  expect((await put("strict", { default: "deny", allow: [] })).status).toBe(200);
  expect((await put("strict", { default: "allow", allow: [] })).status).toBe(400);
  expect((await put("strict", { allow: [] })).status).toBe(400);
  expect((await put("nobody", network("api.test"))).status).toBe(404);
  await (await api.stream("POST", "/v1/sandboxes", { name: "wide" })).until("created");
  expect((await put("wide", network("127.1"))).status).toBe(400);
  // The test's machine takes no connections: the guest cannot be told, but from now on the host decides by it.
  expect((await put("wide", network("API.test."))).status).not.toBe(200);
  expect((await api.json("GET", "/v1/sandboxes/wide")).body.network).toEqual(network("api.test"));
});
