import { expect, test } from "vitest";
import fc from "fast-check";
import type { CreateRequest } from "../../src/index.js";
import { type Operation, recordedWorkload } from "../../src/workload/recorded.js";
import { createRequestOf, policyCheckOf } from "../../src/workload/request.js";
import { validateWorkload } from "../../src/workload/index.js";
import { seed } from "../support/seed.js";

const name = fc.stringMatching(/^[A-Z_]{1,8}$/);
const host = fc.constantFrom("a.example.com", "*.example.com", "b.example.com", "192.0.2.1");
const network = fc.uniqueArray(
  fc.record({
    host,
    port: fc.integer({ min: 1, max: 65_535 }),
    protocol: fc.constantFrom("https" as const, "http" as const, "tcp" as const),
  }),
  { maxLength: 4, selector: (rule) => `${rule.host} ${String(rule.port).padStart(5, "0")} ${rule.protocol}` },
);
const request: fc.Arbitrary<CreateRequest> = fc.record(
  {
    image: fc.constantFrom("python", "node", "ghcr.io/a/b:1"),
    name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,20}$/),
    workload_id: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/).filter((id) => id !== "workload"),
    profile: fc.constantFrom("restrictive" as const, "standard" as const, "dev" as const),
    cpu: fc.integer({ min: 1, max: 16 }),
    memory_mb: fc.integer({ min: 128, max: 4096 }),
    disk_mb: fc.integer({ min: 64, max: 4096 }),
    ttl_seconds: fc.integer({ min: 1, max: 86_400 }),
    idle_seconds: fc.integer({ min: 1, max: 86_400 }),
    env: fc.dictionary(name, fc.stringMatching(/^[ -~é🙂]*$/u), { minKeys: 1, maxKeys: 3 }),
    tags: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[ -~]*$/), { minKeys: 1, maxKeys: 3 }),
    backend: fc.constant("qemu"),
    accel: fc.constantFrom("auto" as const, "kvm" as const, "tcg" as const),
    require_isolation: fc.constant("hardware" as const),
    secrets: fc.constant({ lower: { secret: "api-key", hosts: ["a.example.com"] } }),
    mounts: fc.constant([{ host: "/srv", guest: "/data", mode: "ro" as const }]),
  },
  { requiredKeys: [] },
);
const command: Operation = { kind: "command_run", argv: ["true"] };

test(`what a script asks for is what its workload asks for (seed ${seed})`, () => {
  fc.assert(
    fc.property(request, network, (asked, rules) => {
      const workload = recordedWorkload({ ...asked, network: { default: "deny", allow: rules } }, [command]);
      expect(validateWorkload(workload)).toEqual([]);
      const key = (rule: (typeof rules)[number]) =>
        `${rule.host} ${String(rule.port).padStart(5, "0")} ${rule.protocol}`;
      const allow = [...rules].sort((a, b) => (key(a) < key(b) ? -1 : 1));
      expect(createRequestOf(workload)).toEqual({
        ...{ image: "python", cpu: 1, memory_mb: 512, disk_mb: 2048, profile: "standard" },
        ...asked,
        ...(allow.length > 0 && { network: { default: "deny", allow } }),
      });
    }),
    { numRuns: 500, seed },
  );
});

const entryOf = (operations: Operation[]) => {
  const app = recordedWorkload({}, operations).apps[0];
  return [app?.entrypoints.map(({ command: words }) => words), app?.operations?.map(({ kind }) => kind)];
};
const port: Operation = { kind: "port_forward", guest: 80, host: 0, proto: "tcp" };
const file: Operation = { kind: "files_write", path: "/a", bytes_b64: "" };

test("the last command is the entry point, where it can say all of it and only ports come after it", () => {
  expect(entryOf([file, command])).toEqual([[["true"]], ["files_write"]]);
  expect(entryOf([command, { kind: "command_start", shell: "serve" }, port, port])).toEqual([
    [["/bin/sh", "-lc", "serve"]],
    ["command_run", "port_forward", "port_forward"],
  ]);
  expect(entryOf([command, file])).toEqual([[], ["command_run", "files_write"]]);
  expect(entryOf([{ ...command, stdin_b64: "YQ==" }])).toEqual([[], ["command_run"]]);
  expect(entryOf([{ ...command, max_output_bytes: 1 }])).toEqual([[], ["command_run"]]);
  expect(entryOf([port])).toEqual([[], ["port_forward"]]);
});

test("policy is asked for every port that is forwarded, when the sandbox is made or later", () => {
  const workload = recordedWorkload({}, [command, port, file, { ...port, host: 8080, host_address: "::1" }]);
  expect(policyCheckOf(workload).ports).toEqual([
    { guest_port: 80, host_port: 0 },
    { guest_port: 80, host_port: 8080, host_address: "::1" },
  ]);
});
