import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished, test } from "vitest";
import {
  bundleReferrer,
  bundleWithKey,
  cosignKey,
  referrerList,
  signedWithKey,
  simpleSignatures,
  statement,
} from "../../../images/test/cosign/sign-image.js";
import { LoopbackRegistry } from "../../../images/test/oci/loopback-registry.js";
import { makeImage, tar } from "../../../images/test/oci/make-image.js";
import { registryRules } from "../../src/images/registry-rules.js";
import { parseMatch, ruleFor } from "../../src/images/trust-rules.js";
import { temporaryHome, testDaemon } from "../fixture/daemon.js";

const ours = cosignKey();

test.each([
  // The rule that says most about a repository holds for it, wherever it stands.
  ["registry.example.com/team/app", "registry.example.com/team/app"],
  ["registry.example.com/team/app/part", "registry.example.com/team/*"],
  ["registry.example.com/team/other", "registry.example.com/team/*"],
  ["registry.example.com/team", "registry.example.com/*"],
  ["registry.example.com/teams/app", "registry.example.com/*"],
  // A registry is the same in all its spellings, and with every port unless the rule names one.
  ["REGISTRY.Example.com/team/app", "registry.example.com/team/app"],
  ["registry.example.com:443/team/app", "registry.example.com/team/app"],
  ["registry.example.com:0443/team/app", "registry.example.com/team/app"],
  ["registry.example.com:5000/team/app", "registry.example.com/team/app"],
  ["registry.example.com:5000/team/other", "registry.example.com:5000/team/*"],
  ["registry.example.com:05000/team/other", "registry.example.com:5000/team/*"],
  ["secure.example.com/app", "secure.example.com:443/app"],
  ["secure.example.com:8443/app", "*"],
  ["127.1:5000/app", "127.0.0.1:5000/*"],
  ["0x7f000001:5000/app", "127.0.0.1:5000/*"],
  ["[0:0:0:0:0:0:0:1]:5000/app", "[::1]:5000/*"],
  ["alpine", "docker.io/library/alpine"],
  ["docker.io/alpine", "docker.io/library/alpine"],
  ["registry-1.docker.io:443/library/alpine", "docker.io/library/alpine"],
  ["team/app", "docker.io/*"],
  ["index.docker.io/team/app", "docker.io/*"],
  ["evil.example.com/registry.example.com/team/app", "*"],
])("for %s holds the rule for %s", async (place, wanted) => {
  const { parsePlace } = await import("@mvm/images");
  const written = [
    ...["*", "registry.example.com/*", "Registry.example.com/team/*", "registry.example.com/team/app"],
    ...["registry.example.com:5000/team/*", "secure.example.com:443/app", "127.0.0.1:5000/*", "[::1]:5000/*"],
    ...["index.docker.io/*", "docker.io/alpine"],
  ];
  const rules = written.map((text) => ({ match: parseMatch(text), trust: undefined }));
  const from = parsePlace(place);
  if (from.kind !== "registry") throw new Error("it is no registry");
  for (const some of [rules, rules.toReversed()]) expect(ruleFor(some, from)?.match.text).toBe(wanted);
});

test.each([
  ["team/*", "REGISTRY/REPOSITORY"],
  ["registry.example.com", "REGISTRY/REPOSITORY"],
  ["registry.example.com/te*", "REGISTRY/REPOSITORY"],
  ["registry.example.com/*/app", "REGISTRY/REPOSITORY"],
  ["registry.example.com/Team/app", "REGISTRY/REPOSITORY"],
  ["*.example.com/app", "REGISTRY/REPOSITORY"],
  [7, "REGISTRY/REPOSITORY"],
])("%j is no match", (written, message) => {
  expect(() => parseMatch(written)).toThrow(message);
});

/** A state root whose rules are these. */
function withRules(rules: unknown): { policy: string; key: string } {
  const policy = join(temporaryHome(), "policy");
  mkdirSync(policy, { recursive: true, mode: 0o700 });
  const key = join(policy, "team.pub");
  writeFileSync(key, ours.pem, { mode: 0o600 });
  const text = JSON.stringify(rules).replaceAll("KEY", key);
  writeFileSync(join(policy, "registries.json"), text, { mode: 0o600 });
  return { policy, key };
}

const rule = { match: "registry.example.com/team/*", cosign: { keys: ["KEY"] } };
const none = "/nonexistent";

it("the rules are read with the files they name", () => {
  const { policy } = withRules({ trust: [rule, { match: "registry.example.com/team/scratch", unsigned: true }] });
  const rules = registryRules(policy, none);
  expect(rules.requireDigest).toBe(false);
  expect(rules.trust.map(({ match, trust }) => [match.text, trust?.keys.map(({ id }) => id)])).toEqual([
    ["registry.example.com/team/*", [ours.trusted.id]],
    ["registry.example.com/team/scratch", undefined],
  ]);
  expect(registryRules(withRules({ require_digest: true }).policy, none)).toEqual({ requireDigest: true, trust: [] });
  expect(registryRules(join(temporaryHome(), "policy"), none)).toEqual({ requireDigest: false, trust: [] });
});

test.each([
  ["an unknown word", { trusted: [] }, "may hold require_digest, trust, and not"],
  ["no list", { trust: {} }, "is a list"],
  ["nothing in a rule", { trust: [{ match: "*" }] }, 'needs either "cosign" or "unsigned"'],
  ["both in a rule", { trust: [{ ...rule, unsigned: true }] }, 'needs either "cosign" or "unsigned"'],
  ["unsigned: false", { trust: [{ match: "*", unsigned: false }] }, 'needs either "cosign" or "unsigned"'],
  ["two rules for one place", { trust: [rule, { ...rule, match: "REGISTRY.example.com/team/*" }] }, "two rules"],
  ["nobody", { trust: [{ match: "*", cosign: { keys: [] } }] }, "nobody may sign"],
  ["a key that is not there", { trust: [{ ...rule, cosign: { keys: ["/nonexistent"] } }] }, "it is not there"],
  ["a relative path", { trust: [{ ...rule, cosign: { keys: ["team.pub"] } }] }, "the absolute path of a file"],
  ["what is no key", { trust: [{ ...rule, cosign: { keys: ["/etc/hostname"] } }] }, "not a public key of cosign"],
  [
    "an identity without issuer",
    { trust: [{ ...rule, cosign: { keyless: [{ identity: "a", trusted_root: "KEY" }] } }] },
    'needs an "issuer"',
  ],
  [
    "an empty prefix",
    { trust: [{ ...rule, cosign: { keyless: [{ identity_prefix: "", issuer: "b", trusted_root: "KEY" }] } }] },
    'needs either "identity" or "identity_prefix"',
  ],
  [
    "no authorities",
    { trust: [{ ...rule, cosign: { keyless: [{ identity: "a", issuer: "b", trusted_root: "KEY" }] } }] },
    "cannot be used",
  ],
])("rules with %s let nothing be pulled", (_what, rules, message) => {
  const { policy } = withRules(rules);
  const problem = { code: "POLICY_BROKEN", message: expect.stringContaining(message) as string };
  expect(() => registryRules(policy, none)).toThrow(expect.objectContaining(problem));
});

it("a key that others may write, or that is a link, is not believed", () => {
  const { policy, key } = withRules({ trust: [rule] });
  chmodSync(key, 0o666);
  expect(() => registryRules(policy, none)).toThrow("others may write it");
  const linked = withRules({ trust: [{ ...rule, cosign: { keys: ["KEY.link"] } }] });
  symlinkSync(linked.key, `${linked.key}.link`);
  expect(() => registryRules(linked.policy, none)).toThrow("it is not a regular file");
});

it("what clients pull is taken as the rules of its place say, and what was verified is told", async () => {
  const registry = await LoopbackRegistry.start();
  onTestFinished(() => registry.stop());
  const image = makeImage([tar([{ path: "bin/tool", body: "signed" }])]);
  registry.keep(image);
  const { home, api } = await testDaemon();
  mkdirSync(join(home, "policy"), { recursive: true });
  const key = join(home, "policy/team.pub");
  writeFileSync(key, ours.pem, { mode: 0o600 });
  const write = (rules: object): void =>
    writeFileSync(join(home, "policy/registries.json"), JSON.stringify(rules), { mode: 0o600 });
  const match = `${registry.host}/team/*`;
  write({ trust: [{ match, cosign: { keys: [key] } }] });
  const pull = async () =>
    (await api.lines("POST", "/v1/images/pull", { place: `${registry.host}/team/tool:1.0` })).at(-1);

  expect(await pull()).toMatchObject({ event: "error", error: { code: "ASSET_CHECKSUM_MISMATCH" } });
  const signature = simpleSignatures(signedWithKey(ours.secret, image.manifestDigest));
  for (const bytes of [signature.config, ...signature.layers]) registry.keepBlob(bytes);
  const tag = image.manifestDigest.replace(":", "-");
  registry.keepManifest(signature.manifest, `${tag}.sig`);
  expect(await pull()).toMatchObject({
    event: "built",
    image: {
      name: "tool",
      origin: {
        signature: { digest: image.manifestDigest, found: `${tag}.sig`, key: ours.trusted.id, identity: null },
      },
    },
  });

  registry.manifests.delete(`${tag}.sig`);
  const referrer = bundleReferrer(
    image.manifestDigest,
    bundleWithKey(cosignKey().secret, statement(image.manifestDigest)),
  );
  for (const bytes of [referrer.config, ...referrer.layers]) registry.keepBlob(bytes);
  registry.keepManifest(referrer.manifest);
  registry.keepManifest(referrerList(referrer), tag);
  expect(await pull()).toMatchObject({ error: { code: "ASSET_CHECKSUM_MISMATCH" } });
  // An exception, by a rule that says more.
  write({
    trust: [
      { match, cosign: { keys: [key] } },
      { match: `${registry.host}/team/tool`, unsigned: true },
    ],
  });
  const unsigned = await pull();
  expect(unsigned).toMatchObject({ event: "built", image: { origin: { digest: image.manifestDigest } } });
  expect(unsigned).not.toHaveProperty("image.origin.signature");
  registry.asked.length = 0;
  write({ trust: [{ match: "team/*", unsigned: true }] });
  expect(await pull()).toMatchObject({ error: { code: "POLICY_BROKEN" } });
  expect(registry.asked).toEqual([]);
});
