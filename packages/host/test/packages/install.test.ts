import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { testDaemon } from "../fixture/daemon.js";
import type { Loose } from "../fixture/api-client.js";

/** A sandbox whose network policy allows `hosts`; what came of an installation there, and what ran. */
async function sandboxWith(...hosts: string[]) {
  const { home, api, daemon } = await testDaemon();
  mkdirSync(join(home, "policy"), { recursive: true });
  const list = { pip: { allow: ["tiny"], index: "https://pypi.test:8443/simple/", hosts: ["files.test"] } };
  writeFileSync(join(home, "policy/packages.json"), JSON.stringify(list), { mode: 0o600 });
  const allow = hosts.map((host) => ({ host, port: 8443, protocol: "https" as const }));
  const lines = await api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  expect(lines.at(-1)).toMatchObject({ event: "created" });
  const box = daemon.services.registry.get("box", "test");
  // The agent of these tests has no egress to tell; what decides is the policy.
  box.network = { default: "deny", allow };
  const started = vi.spyOn(box.processes, "track");
  const refusal = async (body: unknown): Promise<Loose> => {
    const { body: answer } = await api.json("POST", "/v1/sandboxes/box/packages", body);
    expect(started).not.toHaveBeenCalled();
    return answer.error ?? expect.fail(`it was let through: ${JSON.stringify(answer)}`);
  };
  return { refusal, home };
}

test.each([
  ["pip", "--index-url=https://evil.test"],
  ["pip", "-r/etc/passwd"],
  ["pip", "tiny @ https://evil.test/tiny.whl"],
  ["pip", "git+https://evil.test/tiny"],
  ["pip", "./tiny.whl"],
  ["pip", "tiny; touch /tmp/x"],
  ["pip", "tiny\n--pre"],
  ["npm", "tiny@file:../x"],
  ["npm", "tiny@https://evil.test/x.tgz"],
  ["npm", "user/repository"],
  ["npm", "tiny@npm:other"],
])("%s: %j is no package, and nothing runs", async (manager, word) => {
  const { refusal } = await sandboxWith("pypi.test", "files.test");
  expect(await refusal({ manager, packages: ["tiny", word] })).toMatchObject({
    ...{ name: "InvalidArgumentError", outcome: "not_started" },
  });
});

test("no manager but those that are known, no empty list, no other field", async () => {
  const { refusal } = await sandboxWith();
  for (const body of [
    { manager: "apt", packages: ["jq"] },
    { manager: "pip", packages: [] },
  ]) {
    expect(await refusal(body)).toMatchObject({ name: "InvalidArgumentError" });
  }
  expect(await refusal({ manager: "pip", packages: ["tiny"], index: "https://evil.test" })).toMatchObject({
    name: "InvalidArgumentError",
  });
});

test("a name outside of the list is refused, also beside one that is on it", async () => {
  const { refusal } = await sandboxWith("pypi.test", "files.test");
  expect(await refusal({ manager: "pip", packages: ["tiny", "tinny"] })).toMatchObject({
    ...{ name: "PackageNotAllowedError", code: "PACKAGE_NOT_ALLOWED", rule: "packages.pip" },
    context: { packages: "tinny" },
  });
});

test("a sandbox that may not reach all of the index is told which hosts are missing", async () => {
  const { refusal } = await sandboxWith("pypi.test");
  expect(await refusal({ manager: "pip", packages: ["tiny==1.*"] })).toMatchObject({
    ...{ name: "PolicyDenied", code: "NETWORK_DENIED", boundary: "network", outcome: "not_started" },
    context: { manager: "pip", hosts: "files.test:8443" },
  });
});

test("a list that cannot be believed lets nothing be installed", async () => {
  const { refusal, home } = await sandboxWith("pypi.test", "files.test");
  writeFileSync(join(home, "policy/packages.json"), "{");
  expect(await refusal({ manager: "pip", packages: ["tiny"] })).toMatchObject({ code: "POLICY_BROKEN" });
});
