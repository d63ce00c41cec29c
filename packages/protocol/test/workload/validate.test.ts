import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  canonicalWorkload,
  irHash,
  normalizeWorkload,
  parseWorkload,
  validateWorkload,
  type Workload,
  type WorkloadCode,
  workloadCodes,
  WorkloadSchema,
} from "../../src/workload/index.js";
import { copy, full, least } from "./samples.js";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const codes = (value: unknown): string[] => validateWorkload(value).map(({ code, path }) => `${code} ${path}`);

/** `full` with one place changed: the path's members, then the new value; `undefined` removes. */
function changed(path: string, value: unknown): unknown {
  const document = copy(full) as unknown as Record<string, unknown>;
  const members = path.split("/").slice(1);
  const last = members.pop() as string;
  let at = document;
  for (const member of members) at = at[member] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else Object.defineProperty(at, last, { value, enumerable: true, configurable: true, writable: true });
  return document;
}

test("workloads of every field and of the fewest are valid", () => {
  expect(validateWorkload(full)).toEqual([]);
  expect(validateWorkload(least)).toEqual([]);
});

describe("each code has a workload that causes it, at the right place", () => {
  const app = "/apps/0";
  const long = "a".repeat(131_072);
  const cases: [WorkloadCode, string, unknown, string?][] = [
    ["E_TOO_LARGE", `${app}/tags`, Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ""]))],
    ["E_TOO_LARGE", `${app}/env/MODE/value`, `${long}a`],
    ["E_MALFORMED_VERSION", "/schema_version", "one"],
    ["E_MALFORMED_VERSION", "/schema_version", 0.1],
    ["E_UNSUPPORTED_MAJOR", "/schema_version", "1.0"],
    ["E_MINOR_TOO_HIGH", "/schema_version", "0.2"],
    ["E_MISSING_FIELD", `${app}/resources`, undefined, app],
    ["E_UNKNOWN_FIELD", `${app}/colour`, 1],
    ["E_UNKNOWN_FIELD", `${app}/env/__proto__`, { kind: "literal", value: "" }],
    ["E_UNSUPPORTED_FIELD", `${app}/hooks`, {}],
    ["E_UNSUPPORTED_FIELD", `${app}/source`, { kind: "local_path", path: "." }],
    ["E_INVALID_TYPE", `${app}/resources/cpu_cores`, "2"],
    ["E_INVALID_TYPE", `${app}/entrypoints`, {}],
    ["E_INVALID_VALUE", `${app}/resources/cpu_cores`, 17],
    ["E_INVALID_VALUE", `${app}/resources/memory_mb`, 512.5],
    ["E_INVALID_VALUE", `${app}/resources/memory_mb`, Number.NaN],
    ["E_INVALID_VALUE", `${app}/profile`, "root"],
    ["E_INVALID_VALUE", `${app}/network/mode`, "host"],
    ["E_INVALID_VALUE", "/extensions/acme.review", { by: 2 ** 60 }, "/extensions/acme.review/by"],
    ["E_INVALID_TEXT", `${app}/env/MODE/value`, "a\0b"],
    ["E_INVALID_TEXT", `${app}/env/MODE/value`, "\ud800"],
    ["E_UNKNOWN_KIND", `${app}/image`, { kind: "nix_packages", packages: [] }, `${app}/image/kind`],
    ["E_UNKNOWN_KIND", `${app}/operations/0/kind`, "toString"],
    ["E_EMPTY_APPS", "/apps", []],
    ["E_MULTI_APP_DEFERRED", "/apps", [full.apps[0], full.apps[0]]],
    ["E_MULTIPLE_ENTRYPOINTS", `${app}/entrypoints`, [full.apps[0]?.entrypoints[0], full.apps[0]?.entrypoints[0]]],
    ["E_INVALID_COMMAND", `${app}/entrypoints/0/command`, [""]],
    ["E_INVALID_COMMAND", `${app}/operations/1/shell`, "both", `${app}/operations/1`],
    ["E_INVALID_ENV", `${app}/env`, { "A-B": { kind: "literal", value: "" } }],
    ["E_INVALID_PATH", `${app}/files/0/path`, "relative"],
    ["E_INVALID_PATH", `${app}/files/0/path`, "/app/../etc/passwd"],
    ["E_INVALID_HOST", `${app}/network/egress/allowlist/0/host`, "https://example.com"],
    ["E_INVALID_HOST", `${app}/network/egress/allowlist/0/host`, "EXAMPLE.com"],
    ["E_INVALID_IMAGE", `${app}/image/reference`, "a b"],
    ["E_INVALID_SECRET", `${app}/env/API_KEY/ref/name`, "sk live", `${app}/env/API_KEY/ref`],
    ["E_INVALID_SECRET", `${app}/env/API_KEY/ref/header`, "a: b"],
    ["E_SECRET_VARIABLE", `${app}/env/API_KEY/ref/mount/var`, "OTHER"],
    ["E_INVALID_TAG", `${app}/tags`, { "": "x" }],
    ["E_INVALID_BYTES", `${app}/files/0/bytes_b64`, "YQ"],
    ["E_INVALID_BYTES", `${app}/files/0/bytes_b64`, "YR=="],
    ["E_NETWORK_WILDCARD", `${app}/network/egress/allowlist/0/host`, "*"],
    ["E_NETWORK_EGRESS_WITH_NONE", `${app}/network/mode`, "none"],
    ["E_DUPLICATE_PORT", `${app}/network/ports/0/host`, 8080, `${app}/operations/4/host`],
    ["E_DUPLICATE_FILE", `${app}/files/1`, full.apps[0]?.files[0], `${app}/files/1/path`],
  ];
  test.each(cases)("%s at %s (%#)", (code, path, value, reported = path) => {
    expect(codes(changed(path, value))).toContain(`${code} ${reported}`);
  });

  test("an id that could not name anything", () => {
    expect(codes(changed("/id", "Etl"))).toEqual(["E_INVALID_ID /id"]);
  });

  test("nothing that runs", () => {
    expect(codes({ ...least, apps: [{ ...least.apps[0], entrypoints: [] }] })).toEqual([
      "E_NO_ENTRYPOINT /apps/0/entrypoints",
    ]);
  });

  test.each<[WorkloadCode, Uint8Array]>([
    ["E_TOO_LARGE", new Uint8Array(8 * 1024 * 1024 + 1)],
    ["E_TOO_DEEP", encode("[".repeat(1_000_000))],
    ["E_TOO_DEEP", encode(`{"extensions":${'{"a":'.repeat(40)}1${"}".repeat(40)}}`)],
    ["E_MALFORMED_JSON", encode("{")],
    ["E_MALFORMED_JSON", encode('{"id":"a","id":"b"}')],
    ["E_MALFORMED_JSON", encode('{"id":"a","i\\u0064":"b"}')],
    ["E_MALFORMED_JSON", encode('{"__proto__":{"id":"a"}}')],
    ["E_MALFORMED_JSON", encode('{"a":1e400}')],
    ["E_MALFORMED_JSON", encode('{"a":9007199254740993}')],
    ["E_MALFORMED_JSON", encode('{"a":"\\ud800"}')],
    ["E_MALFORMED_JSON", Uint8Array.of(0x22, 0xff, 0x22)],
    ["E_MALFORMED_JSON", Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)],
  ])("%s of a text (%#)", (code, bytes) => {
    const { workload, problems } = parseWorkload(bytes);
    expect(workload).toBeNull();
    expect(problems.map((problem) => problem.code)).toEqual([code]);
  });

  test("and no code has none, but the one of declarations", () => {
    const seen = new Set([
      ...cases.map(([code]) => code),
      "E_TOO_DEEP",
      "E_MALFORMED_JSON",
      "E_INVALID_ID",
      "E_NO_ENTRYPOINT",
    ]);
    expect(Object.keys(workloadCodes).filter((code) => !seen.has(code))).toEqual(["E_ENV_CONFLICT"]);
  });
});

test("values that no JSON has are refused, not followed", () => {
  class Sly {
    schema_version = "0.1";
  }
  const circle: Record<string, unknown> = {};
  circle["circle"] = circle;
  for (const value of [undefined, null, 1, "x", [], new Sly(), () => 1, 1n, new Map()]) {
    expect(validateWorkload(value).length).toBeGreaterThan(0);
  }
  expect(codes({ ...least, extensions: circle })[0]).toMatch(/^E_TOO_DEEP \/extensions\/circle/);
  expect(codes({ ...least, extensions: { a: undefined } })).toEqual(["E_INVALID_TYPE /extensions/a"]);
  // Names of Object.prototype are neither fields nor reasons.
  for (const name of ["constructor", "toString", "hasOwnProperty"]) {
    expect(codes({ ...least, [name]: 1 })).toEqual([`E_UNKNOWN_FIELD /${name}`]);
  }
});

test("a report has at most 100 problems", () => {
  expect(validateWorkload({ ...least, apps: Array.from({ length: 10_000 }, () => ({})) })).toHaveLength(100);
});

test("the normal form is a fixed point, is valid, and says the same as what it was made of", () => {
  for (const workload of [full, least] as unknown as Workload[]) {
    const normal = normalizeWorkload(workload);
    expect(validateWorkload(normal)).toEqual([]);
    expect(normalizeWorkload(normal)).toEqual(normal);
    expect(canonicalWorkload(normal)).toBe(canonicalWorkload(workload));
  }
  const spelled = {
    ...least,
    apps: [{ ...least.apps[0], dependencies: null, network: null, env: {}, profile: "standard" }],
  };
  expect(irHash(spelled as unknown as Workload)).toBe(irHash(least as unknown as Workload));
});

test("the canonical text and hash of a workload never change", () => {
  expect(canonicalWorkload(least as unknown as Workload)).toBe(
    '{"apps":[{"entrypoints":[{"command":["true"],"env":{},"kind":"command","working_dir":"/home/user"}],"env":{},' +
      '"files":[],"image":{"kind":"reference","reference":"python"},"mounts":[],"name":"least",' +
      '"network":{"mode":"none","ports":[]},"operations":[],"profile":"standard",' +
      '"resources":{"cpu_cores":1,"memory_mb":512,"rootfs_size_mb":2048},"tags":{}}],' +
      '"extensions":{},"id":"least","schema_version":"0.1","volumes":[]}',
  );
  expect(irHash(full as unknown as Workload)).toMatchInlineSnapshot(
    `"d63ff494415dee05ba2c2bf663f33795905058dfa59bc8a1df0d42013ca42ddb"`,
  );
});

test("the published schema is the one that is checked", async () => {
  await expect(
    `${JSON.stringify({ $schema: "http://json-schema.org/draft-07/schema#", ...WorkloadSchema }, null, 2)}\n`,
  ).toMatchFileSnapshot("../../schema/workload-0.1.json");
});

test("docs/workload.md lists every code with its meaning", () => {
  const page = readFileSync(new URL("../../../../docs/workload.md", import.meta.url), "utf8");
  const listed = [...page.matchAll(/^\| `(E_(?!COMPILE_)[A-Z_]+)` \| (.*) \|$/gm)].map(([, code, meaning]) => [
    code,
    meaning,
  ]);
  expect(Object.fromEntries(listed)).toEqual(workloadCodes);
});
