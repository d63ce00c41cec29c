import fc from "fast-check";
import { PolicyDenied } from "@mvm/protocol/errors";
import type { CreateRequest } from "@mvm/protocol";
import { expect, test } from "vitest";
import { planDocument, planSha256 } from "../../src/admission/plan-document.js";
import { planOf } from "../../src/admission/plan.js";
import type { PolicyProblem } from "../../src/admission/policy-source.js";
import { placeOf, splitPolicies } from "../../src/admission/policy-source.js";
import { Policy } from "../../src/admission/policy.js";
import { questionsOf } from "../../src/admission/questions.js";
import { compilePolicy, testPolicy } from "../fixture/policy.js";

const forbid = (id: string, rest: string): string => `@id("${id}")\nforbid ${rest}`;
const problems = async (text: string): Promise<readonly PolicyProblem[]> => {
  const compiled = await compilePolicy({ "op.cedar": text });
  if (compiled instanceof Policy) expect.fail("was accepted");
  return compiled;
};
const permit = (policy: Policy, request: CreateRequest): string[] => {
  const plan = planOf(request, `sha256:${"0".repeat(64)}`);
  return policy.permit(plan, questionsOf(plan, true));
};
const denied = (policy: Policy, request: CreateRequest): PolicyDenied => {
  try {
    permit(policy, request);
  } catch (error) {
    if (error instanceof PolicyDenied) return error;
    throw error;
  }
  return expect.fail("was permitted");
};

const requests = {
  env: { env: { A: "1" } },
  "mounts.read": { mounts: [{ host: "/a", guest: "/b", mode: "ro" }] },
  "mounts.write": { mounts: [{ host: "/a", guest: "/b", mode: "rw" }] },
  network: { network: { default: "deny", allow: [{ host: "a.example", port: 443, protocol: "https" }] } },
  secrets: { secrets: { A: { secret: "a", hosts: ["a.example"] } } },
} satisfies Record<string, CreateRequest>;

const allowed: Record<string, readonly string[]> = {
  restrictive: [],
  standard: ["env", "mounts.read", "network", "secrets"],
  dev: ["env", "mounts.read", "mounts.write", "network", "secrets"],
  permissive: ["env", "mounts.read", "mounts.write", "network", "secrets"],
};

test("each profile permits exactly what it says, by the rule of that name", async () => {
  const policy = await testPolicy();
  for (const profile of ["restrictive", "standard", "dev", "permissive"] as const) {
    expect(permit(policy, { profile })).toEqual([`profile.${profile}.start`]);
    for (const [capability, request] of Object.entries(requests)) {
      // A writable directory is a readable one first.
      const refused = profile === "restrictive" ? capability.replace("mounts.write", "mounts.read") : capability;
      const rule = `profile.${profile}.${refused}`;
      if (allowed[profile]?.includes(capability) === true) {
        expect(permit(policy, { ...request, profile })).toContain(rule);
      } else expect(denied(policy, { ...request, profile }).rule).toBe(rule);
    }
  }
});

test("an operator's rule narrows any profile, and is named with its file and line", async () => {
  const text = `// house rules\n\n${forbid("ops.no-evil", '(principal, action == Action::"network", resource) when { context.host like "*.evil.example" };')}`;
  const policy = await testPolicy({ "/etc/mvm/policy/ops.cedar": text });
  const network = (host: string): CreateRequest => ({
    profile: "permissive",
    network: { default: "deny", allow: [...requests.network.network.allow, { host, port: 443, protocol: "https" }] },
  });
  permit(policy, network("good.example"));
  expect(denied(policy, network("x.evil.example"))).toMatchObject({
    rule: "ops.no-evil",
    boundary: "policy",
    context: { file: "/etc/mvm/policy/ops.cedar", line: 3 },
  });
});

test("rules see the whole plan: image, numbers, tags, isolation, and what is absent", async () => {
  const policy = await testPolicy({
    "op.cedar": [
      forbid(
        "big-node",
        '(principal, action, resource) when { resource.image == "node" && resource.memoryMb > 1024 };',
      ),
      forbid(
        "team",
        '(principal, action == Action::"start", resource) when { resource.hasTag("team") && resource.getTag("team") == "red" };',
      ),
      forbid(
        "ttl",
        '(principal == Profile::"dev", action == Action::"start", resource) unless { resource has ttlSeconds };',
      ),
      `@hint("Ask the platform team")\n${forbid("preload", '(principal, action == Action::"env", resource) when { context.names.contains("LD_PRELOAD") };')}`,
    ].join("\n"),
  });
  permit(policy, { image: "node", memory_mb: 1024, tags: { team: "blue" } });
  expect(denied(policy, { image: "node", memory_mb: 1025 }).rule).toBe("big-node");
  expect(denied(policy, { tags: { team: "red" } }).rule).toBe("team");
  expect(denied(policy, { profile: "dev" }).rule).toBe("ttl");
  permit(policy, { profile: "dev", ttl_seconds: 60 });
  expect(denied(policy, { env: { LD_PRELOAD: "x" } })).toMatchObject({
    rule: "preload",
    hint: "Ask the platform team",
  });
});

test("a rule that fails while it is evaluated refuses: Cedar alone would leave it out", async () => {
  const text = forbid("overflow", "(principal, action, resource) when { resource.cpu * 9223372036854775807 > 1 };");
  const policy = await testPolicy({ "op.cedar": text });
  const error = denied(policy, { cpu: 2 });
  expect(error.rule).toBe("overflow");
  expect(error.message).toContain("cannot be evaluated");
});

test.each<[string, string, number, RegExp]>([
  ["a permit", '// first\n@id("x")\npermit (principal, action, resource);', 2, /only forbid/],
  ["no name", "\nforbid (principal, action, resource);", 2, /@id/],
  ["a name of mvm's own", forbid("profile.standard.env", "(principal, action, resource);"), 1, /begins like/],
  ["a bad name", forbid("No Spaces", "(principal, action, resource);"), 1, /no name of a rule/],
  ["a syntax error", forbid("x", "(principal, action, resource)\nwhen { resource. };"), 3, /unexpected token/],
  ["text after the last rule", `${forbid("x", "(principal, action, resource);")}\ngarbage`, 3, /./],
  [
    "an attribute there is none of",
    forbid("x", '(principal, action == Action::"network",\nresource) when { context.hots == "a" };'),
    3,
    /hots/,
  ],
  ["an action there is none of", forbid("x", '(principal, action == Action::"fly", resource);'), 2, /fly/],
  ["a profile there is none of", forbid("x", '(principal == Profile::"standart", action, resource);'), 2, /standart/],
  [
    "an attribute that may be absent",
    forbid("x", "(principal, action, resource) when { resource.ttlSeconds > 3 };"),
    2,
    /ttlSeconds/,
  ],
  ["a wrong type", forbid("x", '(principal, action, resource) when { resource.cpu == "2" };'), 2, /./],
  ["a rule that never applies", forbid("x", "(principal, action, resource) when { false };"), 1, /impossible/],
  ["a template", forbid("x", "(principal == ?principal, action, resource);"), 2, /template/],
  [
    "a name given twice",
    `${forbid("x", "(principal, action, resource);")}\n${forbid("x", "(principal, action, resource);")}`,
    3,
    /op.cedar:1 too/,
  ],
])("C: an operator's file with %s is broken, at its line", async (_what, text, line, problem) => {
  const [first] = await problems(text);
  expect(first).toMatchObject({ file: "op.cedar", line });
  expect(first?.problem).toMatch(problem);
});

test("cutting a file into rules loses nothing, whatever stands in strings and comments", () => {
  const seed = Date.now() & 0xffff;
  console.log(`seed ${seed}`);
  const piece = fc.constantFrom('"a;b"', '"\\";"', "// c; d\n", ";", "forbid", " ", "\n", "é", '"', "@id");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (parts) => {
      const text = parts.join("");
      const bytes = Buffer.from(text);
      for (const { text: cut, byte } of splitPolicies(text)) {
        expect(bytes.subarray(byte, byte + Buffer.byteLength(cut)).toString()).toBe(cut);
      }
      const kept = splitPolicies(text)
        .map((cut) => cut.text)
        .join("");
      expect(text.replace(/^(?:\s|\/\/[^\n]*(?:\n|$))*/, "").length === 0 || kept.length > 0).toBe(true);
    }),
    { seed },
  );
  expect(placeOf("é\nab", 4)).toEqual({ line: 2, column: 2 });
});

test("M-02: limits.toml lowers ceilings and never raises one", async () => {
  const policy = await testPolicy({}, "cpu = 2\nmemory_mb = 1_000_000_000\nsandboxes = 3\n");
  expect(policy.ceilings).toMatchObject({ cpu: 2, memoryMb: 8192, sandboxes: 3 });
  for (const [text, line] of [
    ["cpu = ", 1],
    ["\ncpus = 2", 2],
    ['memory_mb = "1G"', 1],
    ["disk_mb = -1", 1],
    ["ttl_seconds = 1.5", 1],
    ["sandboxes = 99999999999999999999", 1],
    ["[cpu]\nmax = 1", 1],
    ["cpu = 1\ncpu = 2", 2],
  ] as const) {
    const compiled = await compilePolicy({}, text);
    if (compiled instanceof Policy) expect.fail(`${text} was accepted`);
    expect(compiled[0]).toMatchObject({ file: "limits.toml", line });
  }
});

test("equal plans have equal hashes; every field of a plan changes it, values of variables do not", () => {
  const base: CreateRequest = { env: { A: "1", B: "2" }, tags: { x: "1" } };
  const hash = (request: CreateRequest, digest = "sha256:0"): string => planSha256(planOf(request, digest));
  expect(hash({ tags: { x: "1" }, env: { B: "2", A: "other" } })).toBe(hash(base));
  const changes: CreateRequest[] = [
    ...Object.values(requests),
    ...[{ image: "node" }, { name: "n" }, { profile: "dev" }, { cpu: 2 }, { memory_mb: 600 }, { disk_mb: 3000 }],
    ...[{ ttl_seconds: 9 }, { tags: { x: "2" } }, { accel: "tcg" }, { require_isolation: "hardware" }, { owner: "o" }],
    ...[{ backend: "b" }, { detach: true }, { workload_id: "w" }],
  ] as CreateRequest[];
  const hashes = changes.map((change) => hash({ ...base, ...change }));
  expect(new Set([...hashes, hash(base), hash(base, "sha256:1")]).size).toBe(changes.length + 2);
  expect(JSON.stringify(planDocument(planOf({ env: { A: "geheim" } })))).not.toContain("geheim");
});

test("the policy's hash follows its rules and ceilings, not where its files lie", async () => {
  const text = forbid("x", "(principal, action, resource);");
  const [one, moved, none, limited] = await Promise.all([
    testPolicy({ "a.cedar": text }),
    testPolicy({ "b.cedar": text }),
    testPolicy(),
    testPolicy({}, "cpu = 1"),
  ]);
  expect(one.sha256).toBe(moved.sha256);
  expect(new Set([one.sha256, none.sha256, limited.sha256]).size).toBe(3);
});
