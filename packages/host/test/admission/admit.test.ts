import type { CreateRequest } from "@mvm/protocol";
import { limits } from "@mvm/protocol";
import { BackendUnsupported, EnvVarValidationError, InvalidArgumentError, PolicyDenied } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { admit, type AdmissionFacts } from "../../src/admission/admit.js";
import type { Loose } from "../fixture/api-client.js";
import { testPolicy } from "../fixture/policy.js";
import { processBackend } from "../fixture/process-backend.js";

const policy = await testPolicy();

const facts = (more: Partial<AdmissionFacts> & { kvm?: boolean } = {}): AdmissionFacts => ({
  backends: [processBackend({ kvm: more.kvm ?? false })],
  policy,
  sandboxes: 0,
  secret: () => ({ hosts: ["a.b"], header: null }),
  digestOf: () => Promise.resolve(`sha256:${"0".repeat(64)}`),
  directory: (host) => Promise.resolve(host),
  acknowledgedPermissive: false,
  ...more,
});
const refusal = async (request: CreateRequest, more?: Parameters<typeof facts>[0]): Promise<Loose> =>
  await admit(request, facts(more)).then(
    () => expect.fail("was admitted"),
    (error: unknown) => error,
  );

test("fills in the defaults of the API", async () => {
  const { plan } = await admit({}, facts());
  expect(plan).toMatchObject({
    ...{ image: "python", profile: "standard", cpu: 1, memoryMb: 512, diskMb: 2048, backend: "qemu", accel: "auto" },
    ...{ detach: false, ttlSeconds: null, name: null },
  });
});

test.each<[string, CreateRequest, string]>([
  ["env", { env: { A: "1" } }, "profile.restrictive.env"],
  ["directories", { mounts: [{ host: "/a", guest: "/work", mode: "ro" }] }, "profile.restrictive.mounts.read"],
  [
    "network",
    { network: { default: "deny", allow: [{ host: "a.b", port: 443, protocol: "https" }] } },
    "profile.restrictive.network",
  ],
  ["secrets", { secrets: { A: { secret: "a" } } }, "profile.restrictive.secrets"],
])("restrictive refuses %s as policy, before anyone asks whether it could be done", async (_name, request, rule) => {
  const error = await refusal({ ...request, profile: "restrictive" });
  expect(error).toBeInstanceOf(PolicyDenied);
  expect(error.rule).toBe(rule);
});

test("standard refuses writable directories, and admits others under their real names", async () => {
  const rw = await refusal({ mounts: [{ host: "/a", guest: "/work", mode: "rw" }] });
  expect(rw.rule).toBe("profile.standard.mounts.write");
  const directory = (host: string): Promise<string> => Promise.resolve(`/real${host}`);
  const { plan } = await admit({ mounts: [{ host: "/a", guest: "/work/", mode: "ro" }] }, facts({ directory }));
  expect(plan.mounts).toEqual([{ host: "/real/a", guest: "/work", mode: "ro" }]);
});

test("an empty allow-list asks for nothing: deny all is what there is", async () => {
  await admit({ profile: "restrictive", network: { default: "deny", allow: [] }, env: {}, mounts: [] }, facts());
});

test("permissive has to be acknowledged", async () => {
  expect(await refusal({ profile: "permissive" })).toMatchObject({ code: "POLICY_ACK_REQUIRED" });
  await admit({ profile: "permissive" }, facts({ acknowledgedPermissive: true }));
});

test.each<[string, CreateRequest]>([
  ["cpu", { cpu: 5 }],
  ["memory_mb", { memory_mb: 8193 }],
  ["disk_mb", { disk_mb: limits.diskMaxMb }],
])("names the ceiling of %s and both numbers", async (field, request) => {
  const error = await refusal(request);
  expect(error).toBeInstanceOf(PolicyDenied);
  expect(error).toMatchObject({ rule: `limit.${field}`, context: { asked: Object.values(request)[0] } });
  expect(error.context.ceiling).toBeGreaterThan(0);
});

test("hardware isolation is never replaced by emulation", async () => {
  for (const request of [
    { require_isolation: "hardware" },
    { require_isolation: "hardware", accel: "tcg" },
    { accel: "kvm" },
  ] satisfies CreateRequest[]) {
    const error = await refusal(request);
    expect(error).toBeInstanceOf(BackendUnsupported);
    expect(error.message).toContain("KVM");
  }
  await admit({ require_isolation: "hardware" }, facts({ kvm: true }));
  expect(await refusal({ require_isolation: "hardware", accel: "tcg" }, { kvm: true })).toBeInstanceOf(
    BackendUnsupported,
  );
});

test("refuses what the schema cannot see", async () => {
  expect(await refusal({ backend: "firecracker" })).toBeInstanceOf(BackendUnsupported);
  expect(await refusal({ detach: true })).toBeInstanceOf(InvalidArgumentError);
  expect(await refusal({ name: "sbx_01m82q01kw53bm2t7pa46sxp09" })).toBeInstanceOf(InvalidArgumentError);
  const env = await refusal({ env: { "A=B": "geheim" } });
  expect(env).toBeInstanceOf(EnvVarValidationError);
  expect(JSON.stringify(env.toDocument())).not.toContain("geheim");
});

test("a network policy is admitted in its one spelling, and refused where it could mean something else", async () => {
  const asked = (host: string, protocol: "https" | "tcp" = "tcp"): CreateRequest => ({
    network: { default: "deny", allow: [{ host, port: 443, protocol }] },
  });
  const { plan } = await admit(
    { network: { default: "deny", allow: [...asked("A.B.").network!.allow, ...asked("a.b").network!.allow] } },
    facts(),
  );
  expect(plan.network).toEqual({ default: "deny", allow: [{ host: "a.b", port: 443, protocol: "tcp" }] });
  for (const host of ["198.18.0.5", "198.19.255.255", "0.0.0.0", "224.0.0.1", "255.255.255.255", "127.1", "::1"]) {
    expect(await refusal(asked(host)), host).toBeInstanceOf(InvalidArgumentError);
  }
  expect(await refusal(asked("10.0.0.5", "https"))).toBeInstanceOf(InvalidArgumentError);
});
